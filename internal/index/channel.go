package index

import (
	"fmt"
	"regexp"

	"github.com/sagebuild/sagebuild/matrix"
)

// Channel is what one simple index is for: a torch and the CUDA of the kernels. The zero Channel is for wheels
// without a build tag, which fit several torches.
type Channel struct {
	Torch matrix.Version `json:"torch,omitzero"` // three numbers: 2.8.0
	CUDA  matrix.Version `json:"cuda,omitzero"`  // two numbers: 12.9
}

// universalDir holds what no build tag ties to a torch: wheels for several, and sdists.
const universalDir = "simple/universal"

// RootDir is the index of those who do not want to choose. It links what lies in universalDir.
const RootDir = "simple"

// isChannel matches the directories of RootDir that are no projects.
var isChannel = regexp.MustCompile(`^(universal|cu[0-9]+)$`)

// buildTagPattern is {torch: major, minor, patch}.{CUDA: major, minor}. The first and the last digit of torch and the
// first two of CUDA are single numbers, so 2100.130 can only be 2.10.0 and 13.0.
var buildTagPattern = regexp.MustCompile(`^([1-9])(0|[1-9][0-9]?)([0-9])\.([1-9][0-9])(0|[1-9][0-9]?)$`)

// ParseBuildTag reads 280.129 as torch 2.8.0 and CUDA 12.9; "" is the zero Channel.
func ParseBuildTag(tag string) (Channel, error) {
	if tag == "" {
		return Channel{}, nil
	}
	parts := buildTagPattern.FindStringSubmatch(tag)
	if parts == nil {
		return Channel{}, fmt.Errorf("build tag %q names no torch and CUDA as 280.129 does", tag)
	}
	return Channel{
		Torch: matrix.MustVersion(parts[1] + "." + parts[2] + "." + parts[3]),
		CUDA:  matrix.MustVersion(parts[4] + "." + parts[5]),
	}, nil
}

// IsUniversal reports whether the channel is tied to no torch.
func (c Channel) IsUniversal() bool { return c.Torch.IsZero() }

// Dir is the channel's index below the site: simple/cu129/torch2.8.
func (c Channel) Dir() string {
	if c.IsUniversal() {
		return universalDir
	}
	return "simple/cu" + c.CUDA.Digits() + "/torch" + c.Torch.Minor().String()
}

// Index is the directory below the site that installers are given: of universal wheels the root, where all of them are.
func (c Channel) Index() string {
	if c.IsUniversal() {
		return RootDir
	}
	return c.Dir()
}

// Requirement is the dependency that a wheel of the channel must have, so that no installer changes torch.
func (c Channel) Requirement() string { return fmt.Sprintf("torch==%s.*", c.Torch.Minor()) }

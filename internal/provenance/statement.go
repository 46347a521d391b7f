// Package provenance reads and writes what lies beside a wheel to prove the wheel's origin: the in-toto statement of
// the wheel's build, and SHA256SUMS.
package provenance

import (
	"encoding/json"
	"fmt"
	"slices"
)

const (
	// StatementType is the type of in-toto statements, version 1.
	StatementType = "https://in-toto.io/Statement/v1"
	// PredicateType is the type of SLSA provenance, version 1.
	PredicateType = "https://slsa.dev/provenance/v1"
)

// StatementFile is the name of the file with a wheel's provenance, one statement on one line.
func StatementFile(wheel string) string { return wheel + ".intoto.jsonl" }

// statement is the part of an in-toto statement that names the files that the statement is about.
type statement struct {
	Type          string    `json:"_type"`
	PredicateType string    `json:"predicateType"`
	Subject       []subject `json:"subject"`
	Predicate     predicate `json:"predicate"`
}

// predicate is the part of the provenance that names the source: BuildKit puts the git revision beside its metadata.
type predicate struct {
	RunDetails struct {
		Metadata struct {
			BuildKit struct {
				VCS struct {
					Revision string `json:"revision"`
				} `json:"vcs"`
			} `json:"buildkit_metadata"`
		} `json:"metadata"`
	} `json:"runDetails"`
}

// subject is a file that the statement is about.
type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// CheckStatement wants one statement of SLSA provenance about one file alone, which has this name and this SHA-256 in
// hexadecimal.
func CheckStatement(text []byte, name, sha256 string) error {
	s, err := parseStatement(text)
	if err != nil {
		return err
	}
	return s.check(name, sha256)
}

// Revision is the commit that the statement names, with "-dirty" behind it where files differed from it. It is empty where
// the statement names none, or is none.
func Revision(text []byte) string {
	s, err := parseStatement(text)
	if err != nil {
		return ""
	}
	return s.Predicate.RunDetails.Metadata.BuildKit.VCS.Revision
}

func parseStatement(text []byte) (*statement, error) {
	var s statement
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("it is no JSON statement: %w", err)
	}
	if s.Type != StatementType || s.PredicateType != PredicateType {
		return nil, fmt.Errorf("it is of type %q about %q, want %s about %s", s.Type, s.PredicateType, StatementType, PredicateType)
	}
	return &s, nil
}

func (s *statement) check(name, sha256 string) error {
	if len(s.Subject) != 1 || s.Subject[0].Name != name {
		names := []string{}
		for _, subject := range s.Subject {
			names = append(names, subject.Name)
		}
		slices.Sort(names)
		return fmt.Errorf("it is about %q, want %s alone", names, name)
	}
	if got := s.Subject[0].Digest["sha256"]; got != sha256 {
		return fmt.Errorf("it is about a %s with SHA-256 %s, this one has %s", name, got, sha256)
	}
	return nil
}

package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const attested = "pypi_attestations-0.0.19.tar.gz"

// TestProvenanceIsVerified publishes a file of PyPI with the attestation that its workflow signed there, and asks the
// reference implementation of PEP 740 about the provenance that the site then has: signature, certificate, transparency
// log, publisher and SHA-256 must all hold. It needs no network for that, since it brings the keys of sigstore along. It
// copies them to the user's cache, and believes what it finds there: here that is an empty one.
func TestProvenanceIsVerified(t *testing.T) {
	t.Parallel()
	python := filepath.Join(t.TempDir(), "bin", "python")
	mustRun(t, "python3", "-m", "venv", filepath.Dir(filepath.Dir(python)))
	mustRun(t, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", "../lock/attest.txt")
	const theirs = "trailofbits/pypi-attestations"
	signed := publishAttested(t, theirs)
	cache := "XDG_CACHE_HOME=" + t.TempDir()
	changed := filepath.Join(t.TempDir(), attested)
	if err := os.WriteFile(changed, append(read(t, signed), 0), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, try := range []struct{ file, provenance, repository, want string }{
		{signed, signed, theirs, "OK: " + attested},
		{signed, signed, "example/wheels", `signed by repository "` + theirs + `"`},
		{signed, publishAttested(t, "example/wheels"), "example/wheels", "OIDCSourceRepositoryURI does not match"},
		{changed, signed, theirs, "subject does not match distribution digest"},
	} {
		verify := exec.Command(python, "-m", "pypi_attestations", "verify", "pypi", "--offline",
			"--repository", "https://github.com/"+try.repository, "--provenance-file", try.provenance+".provenance", try.file)
		verify.Env = append(os.Environ(), cache)
		out, err := verify.CombinedOutput()
		if good := strings.HasPrefix(try.want, "OK"); good != (err == nil) || !strings.Contains(string(out), try.want) {
			t.Errorf("error %v, want %q in\n%s", err, try.want, out)
		}
	}
}

// publishAttested writes a site that names a repository's workflow as the signer, and returns where the file is in it.
func publishAttested(t *testing.T, repository string) string {
	site := filepath.Join(t.TempDir(), "site")
	mustRun(t, "sagebuild", "index", "--dist", "testdata/attested", "--output", site, "--url", "https://example.org/",
		"--publisher", "github:"+repository+"/release.yml")
	return filepath.Join(site, "simple", "universal", "pypi-attestations", attested)
}

package builder

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testProvenance wants BuildKit's own statement about the files of the output, and no trace of the machine's proxies.
func testProvenance(t *testing.T, w *world) {
	t.Setenv("FTP_PROXY", "http://user:password@proxy.example")
	t.Setenv("GITHUB_RUN_ID", "")
	r := w.request("WORKDIR /out", w.step("write", "/out/greeting", "hello"))
	r.Provenance = true
	r.Commit, r.Repository = "abc-dirty", "https://user:password@git.example/repository"
	for _, run := range []string{"first", "cached"} {
		r.Output = t.TempDir()
		result := w.build(r)
		var statement struct {
			Type      string `json:"_type"`
			Predicate struct {
				RunDetails      struct{ Builder struct{ ID string } }
				BuildDefinition struct {
					BuildType          string
					ExternalParameters struct {
						Request struct{ Args map[string]string }
					}
					InternalParameters struct {
						BuildConfig struct{ LLBDefinition []any }
					}
				}
			}
			Subject []struct {
				Name   string
				Digest map[string]string
			}
		}
		if err := json.Unmarshal(result.Provenance, &statement); err != nil {
			t.Fatalf("%s: %v", run, err)
		}
		sum := sha256.Sum256([]byte("hello"))
		if len(statement.Subject) != 1 || statement.Subject[0].Name != "greeting" || statement.Subject[0].Digest["sha256"] != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: subject is %v", run, statement.Subject)
		}
		definition := statement.Predicate.BuildDefinition
		if statement.Type != "https://in-toto.io/Statement/v1" || !strings.Contains(definition.BuildType, "moby/buildkit") {
			t.Errorf("%s: a statement of type %q about a build of type %q", run, statement.Type, definition.BuildType)
		}
		if id := statement.Predicate.RunDetails.Builder.ID; id != "https://github.com/sagebuild/sagebuild" {
			t.Errorf("%s: the builder is %q", run, id)
		}
		if len(definition.ExternalParameters.Request.Args) == 0 || len(definition.InternalParameters.BuildConfig.LLBDefinition) == 0 {
			t.Errorf("%s: it says neither arguments nor steps: %s", run, result.Provenance)
		}
		if bytes.Contains(result.Provenance, []byte("proxy.example")) {
			t.Errorf("%s: it holds the proxy: %s", run, result.Provenance)
		}
		if !bytes.Contains(result.Provenance, []byte(`"revision":"abc-dirty"`)) || !bytes.Contains(result.Provenance, []byte("git.example/repository")) || bytes.Contains(result.Provenance, []byte("user:password")) {
			t.Errorf("%s: it does not name the source, or its password: %s", run, result.Provenance)
		}
		if bytes.Count(result.Provenance, []byte("\n")) != 1 {
			t.Errorf("%s: it is not one line", run)
		}
		if left, _ := filepath.Glob(filepath.Join(r.Output, "*")); len(left) != 1 {
			t.Errorf("%s: the output is %v", run, left)
		}
	}
	r.Provenance, r.Output = false, t.TempDir()
	if result := w.build(r); result.Provenance != nil {
		t.Errorf("there is provenance that nobody asked for: %s", result.Provenance)
	}
}

func TestPublishable(t *testing.T) {
	text := `{"b": [{"meta": {"proxyEnv": {"http_proxy": "x"}, "env": ["A=<b>"]}}],
 "a": {"build-arg:http_proxy": "x", "build-arg:HTTPS_PROXY": "x", "build-arg:CUDA": "12.9", "n": 12345678901234567890}}`
	got, err := publishable([]byte(text))
	if want := `{"a":{"build-arg:CUDA":"12.9","n":12345678901234567890},"b":[{"meta":{"env":["A=<b>"]}}]}` + "\n"; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if _, err := publishable([]byte("{")); err == nil {
		t.Error("half a statement was taken")
	}
}

func TestOutputWithoutProvenance(t *testing.T) {
	dir := t.TempDir()
	if text, err := takeProvenance(dir); text != nil || err != nil {
		t.Errorf("%s, %v", text, err)
	}
	if err := os.WriteFile(filepath.Join(dir, provenanceFile), []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := takeProvenance(dir); err == nil {
		t.Error("damaged provenance was taken")
	}
}

func TestBuilderID(t *testing.T) {
	run := map[string]string{"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"}
	if got := readMachine(environmentOf(run), nil).builderID; got != "https://github.com/a/b/actions/runs/7" {
		t.Errorf("in a workflow: %s", got)
	}
	run["GITHUB_RUN_ID"] = "7,mode=min" // a comma would begin another setting
	if got := readMachine(environmentOf(run), nil).builderID; got != "https://github.com/sagebuild/sagebuild" {
		t.Errorf("elsewhere: %s", got)
	}
}

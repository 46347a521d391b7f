package index

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
)

// Publisher is who signed attestations, as a provenance object of PEP 740 names them: a workflow of a GitHub
// repository. The zero Publisher is nobody.
type Publisher struct {
	Kind        string  `json:"kind"`
	Repository  string  `json:"repository"`
	Workflow    string  `json:"workflow"`
	Environment *string `json:"environment"`
}

var publisherPattern = regexp.MustCompile(`^github:([\w.-]+/[\w.-]+)/([\w.-]+\.ya?ml)$`)

// ParsePublisher reads github:OWNER/REPOSITORY/WORKFLOW.yml.
func ParsePublisher(text string) (Publisher, error) {
	parts := publisherPattern.FindStringSubmatch(text)
	if parts == nil {
		return Publisher{}, diag.Usagef("--publisher github:OWNER/REPOSITORY/release.yml", "%q names no workflow of a GitHub repository", text)
	}
	return Publisher{Kind: "GitHub", Repository: parts[1], Workflow: parts[2]}, nil
}

func (p Publisher) isZero() bool { return p.Kind == "" }

// provenance is the provenance object of PEP 740: https://peps.python.org/pep-0740/#provenance-objects
type provenance struct {
	Version int      `json:"version"`
	Bundles []bundle `json:"attestation_bundles"`
}

type bundle struct {
	Publisher    Publisher         `json:"publisher"`
	Attestations []json.RawMessage `json:"attestations"`
}

// attestation is the part of an attestation object that says what it is about. Whether the signature holds is for
// those who install: they need no word of this program for it.
type attestation struct {
	Version  int `json:"version"`
	Envelope struct {
		Statement []byte `json:"statement"` // base64 in JSON
		Signature []byte `json:"signature"`
	} `json:"envelope"`
}

type statement struct {
	Subject []struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
}

// AttestationFiles lists the attestations beside a file of dist, as pypi-attestations and gh-action-pypi-publish name
// them: FILE.publish.attestation.
func AttestationFiles(dist, filename string) []string {
	entries, _ := os.ReadDir(dist)
	var found []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), filename+".") && strings.HasSuffix(entry.Name(), ".attestation") {
			found = append(found, filepath.Join(dist, entry.Name()))
		}
	}
	return found
}

// attest makes the provenance object of an entry from the attestations in dist, or takes that of the published site.
// An attestation about anything else is an error of class diag.Mismatch.
func (e *Entry) attest(dist, site string, publisher Publisher) error {
	files := AttestationFiles(dist, e.Filename)
	if len(files) == 0 || publisher.isZero() {
		e.keepProvenance(site)
		return nil
	}
	object := provenance{Version: 1, Bundles: []bundle{{Publisher: publisher}}}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := e.checkAttestation(text); err != nil {
			return &diag.Error{Class: diag.Mismatch, Message: filepath.Base(file) + " is not published", Err: err, Hint: diag.Command("rm", file)}
		}
		object.Bundles[0].Attestations = append(object.Bundles[0].Attestations, text)
	}
	text, err := json.Marshal(object)
	sum := sha256.Sum256(text)
	e.provenance, e.ProvenanceSHA256 = text, hex.EncodeToString(sum[:])
	return err
}

// checkAttestation wants a signed statement about this file and no other.
func (e *Entry) checkAttestation(text []byte) error {
	var a attestation
	if err := json.Unmarshal(text, &a); err != nil {
		return err
	}
	var s statement
	if err := json.Unmarshal(a.Envelope.Statement, &s); a.Version != 1 || len(a.Envelope.Signature) == 0 || err != nil {
		return errors.Join(errors.New("it is no attestation of version 1 (PEP 740)"), err)
	}
	if len(s.Subject) != 1 || s.Subject[0].Name != e.Filename || s.Subject[0].Digest["sha256"] != e.SHA256 {
		return fmt.Errorf("it is not about %s with SHA-256 %s", e.Filename, e.SHA256)
	}
	return nil
}

// keepProvenance reads the provenance that the published site has for the same bytes.
func (e *Entry) keepProvenance(site string) {
	file := filepath.Join(site, e.provenancePath())
	if sum, err := digest.File(file); err != nil || sum != e.ProvenanceSHA256 {
		e.ProvenanceSHA256 = ""
		return
	}
	e.provenance, _ = os.ReadFile(file)
}

func (e *Entry) provenancePath() string { return e.Path() + ".provenance" }

// Unattested counts the attestations of dist that are not published, because nobody is named who signed them.
func Unattested(options Options, entries []Entry) int {
	if !options.Publisher.isZero() {
		return 0
	}
	count := 0
	for _, entry := range entries {
		count += len(AttestationFiles(options.Dist, entry.Filename))
	}
	return count
}

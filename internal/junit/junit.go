// Package junit reads the JUnit XML that pytest writes.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Report is what one XML file says.
type Report struct {
	Tests   int     `json:"tests"`
	Passed  int     `json:"passed"`
	Failed  int     `json:"failed"`
	Skipped int     `json:"skipped"`
	Seconds float64 `json:"seconds"`
	// Properties are the suite's own, such as the versions that the tests ran with.
	Properties map[string]string `json:"properties,omitempty"`
	Failures   []Failure         `json:"failures,omitempty"`
}

// Failure is one test that failed or could not run.
type Failure struct {
	Name string `json:"name"`
	// Message is the first line of what the test said.
	Message string `json:"message"`
}

type suite struct {
	Suites     []suite    `xml:"testsuite"`
	Properties []property `xml:"properties>property"`
	Cases      []testCase `xml:"testcase"`
	Seconds    float64    `xml:"time,attr"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testCase struct {
	Class    string    `xml:"classname,attr"`
	Name     string    `xml:"name,attr"`
	Failures []outcome `xml:"failure"`
	Errors   []outcome `xml:"error"`
	Skipped  *outcome  `xml:"skipped"`
}

type outcome struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Parse reads a document whose root is <testsuites> or <testsuite>. It counts the test cases themselves, so that a
// file whose summary disagrees with its contents cannot hide a failure. A file without any test is an error.
func Parse(r io.Reader) (*Report, error) {
	var root struct {
		XMLName xml.Name
		suite
	}
	if err := xml.NewDecoder(r).Decode(&root); err != nil {
		return nil, fmt.Errorf("reading JUnit XML: %w", err)
	}
	if name := root.XMLName.Local; name != "testsuites" && name != "testsuite" {
		return nil, fmt.Errorf("reading JUnit XML: the root element is <%s>, want <testsuites>", name)
	}
	report := &Report{Properties: map[string]string{}}
	report.add(root.suite)
	if report.Tests == 0 {
		return nil, fmt.Errorf("reading JUnit XML: it holds no test")
	}
	return report, nil
}

func (r *Report) add(s suite) {
	for _, property := range s.Properties {
		r.Properties[property.Name] = property.Value
	}
	for _, test := range s.Cases {
		r.count(test)
	}
	if len(s.Suites) == 0 {
		r.Seconds += s.Seconds
	}
	for _, inner := range s.Suites {
		r.add(inner)
	}
}

func (r *Report) count(test testCase) {
	r.Tests++
	bad := append(test.Failures, test.Errors...)
	switch {
	case len(bad) > 0:
		r.Failed++
		r.Failures = append(r.Failures, Failure{Name: test.name(), Message: bad[0].firstLine()})
	case test.Skipped != nil:
		r.Skipped++
	default:
		r.Passed++
	}
}

func (t testCase) name() string {
	if t.Class == "" {
		return t.Name
	}
	return t.Class + "." + t.Name
}

// pytestError is how pytest marks the lines that say what went wrong.
const pytestError = "E   "

// firstLine prefers the message, and falls back to the first line of the text that is not blank. Where the message
// only says that a test could not be collected, the error in the text says why.
func (o outcome) firstLine() string {
	if o.Message == "collection failure" {
		lines := strings.Split(o.Text, "\n")
		for _, line := range slices.Backward(lines) { // the exception follows the places that it went through
			if reason, ok := strings.CutPrefix(line, pytestError); ok {
				return o.Message + ": " + strings.TrimSpace(reason)
			}
		}
	}
	for _, line := range strings.Split(o.Message+"\n"+o.Text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return "no message"
}

package wheel

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// Header is one field of WHEEL or METADATA.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Headers are fields in file order; names compare without case and may repeat.
type Headers []Header

// All returns every value of a field.
func (h Headers) All(name string) []string {
	var values []string
	for _, field := range h {
		if strings.EqualFold(field.Name, name) {
			values = append(values, field.Value)
		}
	}
	return values
}

// Get returns the first value of a field, or "".
func (h Headers) Get(name string) string {
	for _, field := range h {
		if strings.EqualFold(field.Name, name) {
			return field.Value
		}
	}
	return ""
}

// ParseHeaders reads "Name: value" lines up to the first blank line; a line that begins with a blank continues the
// value of the line before. ParseHeaders does not read the description after the blank line.
func ParseHeaders(data []byte) (Headers, error) {
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return nil, finding.Refuse(finding.CodeHeaderFormat, "", "it begins with a byte order mark, behind which no installer finds a field")
	}
	var headers Headers
	for number := 1; len(data) > 0; number++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		text := strings.TrimSuffix(string(line), "\r")
		if text == "" {
			break
		}
		if number > content.MaxHeaderLines || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r") {
			return nil, finding.Refuse(finding.CodeHeaderFormat, "", "line %d is not plain UTF-8 text", number)
		}
		var err error
		if headers, err = headers.add(text, number); err != nil {
			return nil, err
		}
	}
	return headers, nil
}

func (h Headers) add(line string, number int) (Headers, error) {
	if line[0] == ' ' || line[0] == '\t' {
		if len(h) == 0 {
			return nil, finding.Refuse(finding.CodeHeaderFormat, "", "line %d continues nothing", number)
		}
		last := &h[len(h)-1]
		last.Value += "\n" + strings.TrimSpace(line)
		return h, nil
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		return nil, finding.Refuse(finding.CodeHeaderFormat, "", "line %d is no \"Name: value\" field", number)
	}
	return append(h, Header{name, strings.TrimSpace(value)}), nil
}

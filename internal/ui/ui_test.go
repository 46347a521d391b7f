package ui

import (
	"bytes"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "512": 512, "60GB": 60e9, "60gb": 60e9, "1.5 GiB": 3 << 29, "2K": 2000, "7 B": 7, " 1TB ": 1e12,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GB", "-1GB", "NaN", "inf", "1e30", "12 parsecs", "1GB2"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d; want an error", text, got)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, seed := range []string{"60GB", "1.5GiB", "-3", "0x10p4MB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if size, err := ParseSize(text); err == nil && size < 0 {
			t.Errorf("ParseSize(%q) = %d, a negative size", text, size)
		}
	})
}

func TestSizeString(t *testing.T) {
	for size, want := range map[Size]string{
		0: "0 B", 999: "999 B", 1000: "1.00 kB", 7_034_000: "7.03 MB", 16_440_000_000: "16.4 GB",
		999_600: "1.00 MB", 123_456_789: "123 MB", 2e12: "2.00 TB",
	} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d) = %q; want %q", int64(size), got, want)
		}
	}
}

func TestTableAlignsAndTrims(t *testing.T) {
	table := Table{Header: []string{"target", "size", "note"}}
	table.Add(Text("a"), Number("7.03 MB"), Text(""))
	table.Add(Text("longer-name"), Number("12 B"), Cell{Text: "failed", Color: Red})
	var plain, painted bytes.Buffer
	if err := table.Write(&plain, false); err != nil {
		t.Fatal(err)
	}
	want := "target          size  note\na            7.03 MB\nlonger-name     12 B  failed\n"
	if plain.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", plain.String(), want)
	}
	if err := table.Write(&painted, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(painted.String(), "\x1b[31mfailed\x1b[0m") {
		t.Errorf("no red in %q", painted.String())
	}
}

func TestErrorThenHint(t *testing.T) {
	var buffer bytes.Buffer
	console := Console{Err: &buffer}
	console.Error("unknown target \"defalt\"", "sagebuild bake default", "")
	want := "sagebuild: error: unknown target \"defalt\"\nsagebuild: hint: sagebuild bake default\n"
	if buffer.String() != want {
		t.Errorf("got %q; want %q", buffer.String(), want)
	}
}

func TestColorAllowed(t *testing.T) {
	for _, test := range []struct {
		name, noColor, term string
		want                bool
	}{
		{"nothing said", "", "xterm", true},
		{"NO_COLOR", "1", "xterm", false},
		{"dumb terminal", "", "dumb", false},
	} {
		lookup := func(name string) (string, bool) {
			return map[string]string{"NO_COLOR": test.noColor, "TERM": test.term}[name], true
		}
		if got := colorAllowed(lookup); got != test.want {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
	}
}

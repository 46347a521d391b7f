package matrix

import (
	"slices"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for _, text := range []string{"2", "3.12", "12.9.1", "1.2.3.4", "0.0", "99999.0"} {
		v, err := ParseVersion(text)
		if err != nil || v.String() != text {
			t.Errorf("ParseVersion(%q) = %v, %v", text, v, err)
		}
	}
	for _, text := range []string{"", ".", "1.", ".1", "1..2", "01.2", "1.02", "1.2.3.4.5", "-1", "+1", "1.2rc1", "v1.2", "1,2", "100000.1", " 1.2", "1.2\n"} {
		if v, err := ParseVersion(text); err == nil {
			t.Errorf("ParseVersion(%q) = %v, want an error", text, v)
		}
	}
}

func TestVersionForms(t *testing.T) {
	for _, test := range []struct{ text, digits, minor, minorDigits, next string }{
		{"2.8.0", "280", "2.8", "28", "2.9"},
		{"12.9.1", "1291", "12.9", "129", "12.10"},
		{"3.9", "39", "3.9", "39", "3.10"},
		{"3.12", "312", "3.12", "312", "3.13"},
		{"2.10.0", "2100", "2.10", "210", "2.11"},
	} {
		v := MustVersion(test.text)
		got := []string{v.Digits(), v.Minor().String(), v.Minor().Digits(), v.Next().String()}
		if want := []string{test.digits, test.minor, test.minorDigits, test.next}; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", test.text, got, want)
		}
	}
}

func TestVersionOrder(t *testing.T) {
	sorted := []string{"2", "2.0", "2.0.1", "2.6", "2.9.1", "2.10", "12.6.1", "12.9"}
	for i, a := range sorted {
		for j, b := range sorted {
			got := MustVersion(a).Compare(MustVersion(b))
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("Compare(%s, %s) = %d", a, b, got)
			}
		}
	}
}

func TestParseSM(t *testing.T) {
	for text, want := range map[string]SM{"7.0": {7, 0}, "9.0": {9, 0}, "12.1": {12, 1}} {
		sm, err := ParseSM(text)
		if err != nil || sm != want || sm.String() != text {
			t.Errorf("ParseSM(%q) = %v, %v", text, sm, err)
		}
	}
	for _, text := range []string{"", "9", "90", "9.0a", "9.0.0", "9.10", "sm_90"} {
		if sm, err := ParseSM(text); err == nil {
			t.Errorf("ParseSM(%q) = %v, want an error", text, sm)
		}
	}
	if got := (SM{12, 1}).Digits(); got != "121" {
		t.Errorf("digits %q", got)
	}
}

package ui

import "fmt"

// integer is what things are counted in.
type integer interface {
	~int | ~int64 | ~uint16 | ~uint32 | ~uint64
}

// Count is "1 wheel" or "2 wheels".
func Count[N integer](count N, noun string) string { return Plural(count, noun, noun+"s") }

// Plural is Count for a noun whose plural is another word: 3 libraries.
func Plural[N integer](count N, one, many string) string {
	if count == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", count, many)
}

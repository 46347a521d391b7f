package ui

import "fmt"

// Count is "1 wheel" or "2 wheels".
func Count(count int, noun string) string {
	if count == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", count, noun)
}

// Plural is Count for a noun whose plural is another word: 3 libraries.
func Plural(count int, one, many string) string {
	if count == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", count, many)
}

package ui

import "fmt"

// Count is "1 wheel" or "2 wheels".
func Count(count int, noun string) string {
	if count == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", count, noun)
}

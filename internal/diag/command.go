package diag

import (
	"runtime"
	"strings"
)

// Command is a command to type, with the words that a shell would read otherwise in quotes: a path may hold anything.
func Command(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = Quote(word)
	}
	return strings.Join(quoted, " ")
}

// Quote protects a word from the shell where the word needs it.
func Quote(word string) string {
	if runtime.GOOS == "windows" {
		return quoteWindows(word)
	}
	return quotePOSIX(word)
}

func quotePOSIX(word string) string {
	if isPlain(word, "-_./:=+@%,") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// quoteWindows is for cmd and PowerShell, which have double quotes alone in common. No file there has one in its name.
func quoteWindows(word string) string {
	if isPlain(word, `-_./:=+\`) {
		return word
	}
	return `"` + word + `"`
}

// isPlain is whether a word is of letters and digits of ASCII and of these signs.
func isPlain(word, signs string) bool {
	special := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(signs, r))
	}
	return word != "" && strings.IndexFunc(word, special) < 0
}

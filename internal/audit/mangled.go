package audit

import (
	"strconv"
	"strings"

	"github.com/ianlancetaylor/demangle"
)

// demangled is a symbol as its source has it: c10::Error::what() const. Whatever is no C++ name stays as it is.
func demangled(symbol string) string {
	name, version, versioned := strings.Cut(symbol, "@")
	plain := demangle.Filter(name)
	if versioned {
		plain += "@" + version
	}
	return plain
}

// namespaceOf returns the outermost namespace of a C++ symbol ("c10", "at", "std"), or "" for names without one and
// names that are not mangled. Rules: Itanium C++ ABI 5.1; only the beginning of a name is read.
func namespaceOf(symbol string) string {
	rest, ok := strings.CutPrefix(symbol, "_Z")
	if !ok {
		return ""
	}
	rest = skipSpecial(rest)
	if strings.HasPrefix(rest, "St") {
		return "std"
	}
	rest, ok = strings.CutPrefix(rest, "N")
	if !ok {
		return ""
	}
	rest = strings.TrimLeft(rest, "rVKRO") // qualifiers of a member function
	if isStandard(rest) {
		return "std"
	}
	return sourceName(rest)
}

// skipSpecial cuts a prefix that means "virtual table of", "type information of", "guard of" or "thunk to".
func skipSpecial(rest string) string {
	for _, prefix := range []string{"TV", "TT", "TI", "TS", "TC", "GV", "GR", "TW", "TH"} {
		if cut, ok := strings.CutPrefix(rest, prefix); ok {
			return cut
		}
	}
	for prefix, numbers := range map[string]int{"Th": 1, "Tv": 2} {
		cut, ok := strings.CutPrefix(rest, prefix)
		for ; ok && numbers > 0; numbers-- {
			_, cut, ok = strings.Cut(cut, "_")
		}
		if ok {
			return cut
		}
	}
	return rest
}

// isStandard knows the abbreviations of namespace std and of its classes.
func isStandard(rest string) bool {
	return len(rest) > 1 && rest[0] == 'S' && strings.IndexByte("tabsiod", rest[1]) >= 0
}

// sourceName reads a length and that many characters.
func sourceName(rest string) string {
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	length, err := strconv.ParseUint(rest[:digits], 10, 16)
	if err != nil || length > uint64(len(rest)-digits) {
		return ""
	}
	return rest[digits : digits+int(length)]
}

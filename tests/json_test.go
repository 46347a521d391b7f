package tests

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// isJSON looks a value up in a JSON file, and compares it or the length of a list: isjson stdout targets.0.wheel NAME, or
// isjson stdout targets.len 10.
func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: isjson FILE PATH VALUE")
	}
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &value))
	got, err := lookup(value, args[1])
	ts.Check(err)
	if (got == args[2]) == neg {
		ts.Fatalf("%s is %s, want %s (negated: %v)", args[1], got, args[2], neg)
	}
}

func lookup(value any, path string) (string, error) {
	for key := range strings.SplitSeq(path, ".") {
		switch inner := value.(type) {
		case map[string]any:
			found, ok := inner[key]
			if !ok {
				return "", fmt.Errorf("%s: there is no %q", path, key)
			}
			value = found
		case []any:
			if key == "len" {
				return strconv.Itoa(len(inner)), nil
			}
			at, err := strconv.Atoi(key)
			if err != nil || at >= len(inner) {
				return "", fmt.Errorf("%s: there is no element %q", path, key)
			}
			value = inner[at]
		default:
			return "", fmt.Errorf("%s: %q is below a plain value", path, key)
		}
	}
	return fmt.Sprint(value), nil
}

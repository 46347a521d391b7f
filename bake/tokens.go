package bake

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// attribute is an attribute of a block, field one of an object.
type (
	attribute struct {
		name  string
		value hclwrite.Tokens
	}
	field attribute
)

func fields(arguments []argument) []field {
	all := make([]field, len(arguments))
	for i, a := range arguments {
		all[i] = field{a.name, text(a.value)}
	}
	return all
}

func text(value string) hclwrite.Tokens { return hclwrite.TokensForValue(cty.StringVal(value)) }

// interpolated is a quoted string whose ${…} Bake evaluates. The caller writes no other character that HCL escapes.
func interpolated(value string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: hclsyntax.TokenQuotedLit, Bytes: []byte(`"` + value + `"`)}}
}

// interpolations is a list of strings whose ${…} Bake evaluates.
func interpolations(values ...string) hclwrite.Tokens {
	var items []hclwrite.Tokens
	for _, value := range values {
		items = append(items, interpolated(value))
	}
	return hclwrite.TokensForTuple(items)
}

func list(values ...string) hclwrite.Tokens {
	var items []hclwrite.Tokens
	for _, value := range values {
		items = append(items, text(value))
	}
	return hclwrite.TokensForTuple(items)
}

// expression is a value that Bake evaluates.
func expression(source string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(source)}}
}

// lines is a list with one value on each line.
func lines(values []string) hclwrite.Tokens {
	newline := &hclwrite.Token{Type: hclsyntax.TokenNewline, Bytes: []byte("\n")}
	tokens := hclwrite.Tokens{{Type: hclsyntax.TokenOBrack, Bytes: []byte("[")}, newline}
	for _, value := range values {
		tokens = append(tokens, text(value)...)
		tokens = append(tokens, &hclwrite.Token{Type: hclsyntax.TokenComma, Bytes: []byte(",")}, newline)
	}
	return append(tokens, &hclwrite.Token{Type: hclsyntax.TokenCBrack, Bytes: []byte("]")})
}

func object(all []field) hclwrite.Tokens {
	var items []hclwrite.ObjectAttrTokens
	for _, f := range all {
		items = append(items, hclwrite.ObjectAttrTokens{Name: hclwrite.TokensForIdentifier(f.name), Value: f.value})
	}
	return hclwrite.TokensForObject(items)
}

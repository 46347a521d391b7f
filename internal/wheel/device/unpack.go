package device

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// unpack returns the entry's plain bytes, in memory if they were compressed.
func (e *Entry) unpack(packed content.Content) (content.Content, error) {
	if e.Compression == "" {
		return packed, nil
	}
	if e.Size > content.MaxCubinBytes || packed.Size > content.MaxCubinBytes {
		return content.Content{}, finding.Refuse(finding.CodeCubinFormat, "", "it unpacks to %s, more than the %d a reader takes", ui.Count(e.Size, "byte"), int64(content.MaxCubinBytes))
	}
	source, ok := packed.Bytes(content.MaxCubinBytes)
	if !ok {
		return content.Content{}, finding.Refuse(finding.CodeCubinFormat, "", "its bytes cannot be read")
	}
	var plain []byte
	var err error
	if e.Compression == "zstd" {
		plain, err = unpackZSTD(source, e.Size)
	} else {
		plain, err = unpackLZ4(source, e.Size)
	}
	if err != nil {
		return content.Content{}, err
	}
	return content.Of(plain), nil
}

func unpackZSTD(source []byte, size int64) ([]byte, error) {
	decoder, err := zstd.NewReader(bytes.NewReader(source), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(content.MaxCubinBytes))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	var plain bytes.Buffer
	n, err := io.Copy(&plain, io.LimitReader(decoder, size+1))
	if err != nil || n != size {
		return nil, finding.Refuse(finding.CodeCubinFormat, "", "the zstd data are damaged")
	}
	return plain.Bytes(), nil
}

// unpackLZ4 reads LZ4's block format: literals, then a match in what was written so far, until the input ends.
// The output grows with the input read, at most 255 bytes for each, and never beyond size.
func unpackLZ4(source []byte, size int64) ([]byte, error) {
	damaged := finding.Refuse(finding.CodeCubinFormat, "", "the LZ4 data are damaged")
	// Room for a usual ratio at once; what unpacks to more grows as it is written.
	plain := make([]byte, 0, max(0, min(size, 8*int64(len(source)))))
	for len(source) > 0 {
		token := source[0]
		literals, rest, ok := lz4Length(int(token>>4), source[1:])
		if !ok || literals > len(rest) || int64(literals) > size-int64(len(plain)) {
			return nil, damaged
		}
		plain = append(plain, rest[:literals]...)
		if source = rest[literals:]; len(source) == 0 {
			break
		}
		if len(source) < 2 {
			return nil, damaged
		}
		distance := int(little.Uint16(source))
		match, rest, ok := lz4Length(int(token&15), source[2:])
		match += 4
		if !ok || distance == 0 || distance > len(plain) || int64(match) > size-int64(len(plain)) {
			return nil, damaged
		}
		plain = appendMatch(plain, distance, match)
		source = rest
	}
	if int64(len(plain)) != size {
		return nil, damaged
	}
	return plain, nil
}

// lz4Length extends a length of 15 by the bytes that follow.
func lz4Length(length int, source []byte) (int, []byte, bool) {
	if length != 15 {
		return length, source, true
	}
	for n, b := range source {
		length += int(b)
		if length > content.MaxCubinBytes {
			return 0, nil, false
		}
		if b != 255 {
			return length, source[n+1:], true
		}
	}
	return 0, nil, false
}

// appendMatch repeats the last distance bytes; a match may overlap what it writes.
func appendMatch(plain []byte, distance, length int) []byte {
	for length > 0 {
		n := min(length, distance)
		start := len(plain) - distance
		plain = append(plain, plain[start:start+n]...)
		length -= n
	}
	return plain
}

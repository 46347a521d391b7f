package device

import (
	"fmt"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
)

// Pieces lists the entries of a file or section of fatbins. Compressed code is unpacked, since the packed bytes
// of code that differs in one place differ everywhere after it.
func Pieces(c content.Content, left *content.Budget) []content.Piece {
	var list []content.Piece
	err := eachFatbin(c, left, func(_ int64, _, entries content.Content) error {
		return eachEntry(entries, left, func(header []byte, payload content.Content) error {
			list = append(list, entryPiece(header, payload))
			return nil
		})
	})
	if err != nil {
		return nil
	}
	return list
}

func entryPiece(header []byte, payload content.Content) content.Piece {
	entry := Entry{Kind: kinds[little.Uint16(header)], Flags: little.Uint64(header[40:]), Size: payload.Size}
	arch := archOf(little.Uint32(header[28:]), suffixOf(entry.Flags))
	name := fmt.Sprintf("%s SM %s", entry.Kind, arch)
	packed, err := entry.setCompression(header, payload)
	if err != nil || entry.Compression == "" {
		return content.Piece{Name: name, Content: payload}
	}
	if plain, err := entry.unpack(packed); err == nil {
		return content.Piece{Name: name, Content: plain}
	}
	return content.Piece{Name: name, Content: payload}
}

package wheel

import "fmt"

// fatbinPieces lists the entries of a file or section of fatbins. Compressed code is unpacked, since the packed bytes
// of code that differs in one place differ everywhere after it.
func fatbinPieces(c content, left *budget) []piece {
	var list []piece
	err := eachFatbin(c, left, func(_ int64, _, entries content) error {
		return eachEntry(entries, left, func(header []byte, payload content) error {
			list = append(list, entryPiece(header, payload))
			return nil
		})
	})
	if err != nil {
		return nil
	}
	return list
}

func entryPiece(header []byte, payload content) piece {
	entry := Entry{Kind: kinds[little.Uint16(header)], Flags: little.Uint64(header[40:]), Size: payload.size}
	arch := archOf(little.Uint32(header[28:]), suffixOf(entry.Flags))
	name := fmt.Sprintf("%s SM %s", entry.Kind, arch)
	packed, err := entry.setCompression(header, payload)
	if err != nil || entry.Compression == "" {
		return piece{name, payload}
	}
	if plain, err := entry.unpack(packed); err == nil {
		return piece{name, plain}
	}
	return piece{name, payload}
}

package wheel

import "strings"

// Info is the WHEEL file.
type Info struct {
	WheelVersion string   `json:"wheelVersion"`
	Generator    string   `json:"generator,omitempty"`
	Purelib      bool     `json:"rootIsPurelib"`
	Build        string   `json:"build,omitempty"`
	Tags         []string `json:"tags"`
}

// Metadata is the part of METADATA that decides about installing.
type Metadata struct {
	MetadataVersion string   `json:"metadataVersion"`
	Name            string   `json:"name"`
	Version         string   `json:"version"`
	RequiresPython  string   `json:"requiresPython,omitempty"`
	RequiresDist    []string `json:"requiresDist,omitempty"`
	License         string   `json:"license,omitempty"`
}

// ParseInfo reads the WHEEL file.
func ParseInfo(data []byte) (Info, error) {
	headers, err := ParseHeaders(data)
	if err != nil {
		return Info{}, err
	}
	return Info{
		WheelVersion: headers.Get("Wheel-Version"),
		Generator:    headers.Get("Generator"),
		Purelib:      strings.EqualFold(headers.Get("Root-Is-Purelib"), "true"),
		Build:        headers.Get("Build"),
		Tags:         headers.All("Tag"),
	}, nil
}

// ParseMetadata reads the METADATA file.
func ParseMetadata(data []byte) (Metadata, error) {
	headers, err := ParseHeaders(data)
	if err != nil {
		return Metadata{}, err
	}
	license := headers.Get("License-Expression")
	if license == "" {
		license = headers.Get("License")
	}
	return Metadata{
		MetadataVersion: headers.Get("Metadata-Version"),
		Name:            headers.Get("Name"),
		Version:         headers.Get("Version"),
		RequiresPython:  headers.Get("Requires-Python"),
		RequiresDist:    headers.All("Requires-Dist"),
		License:         license,
	}, nil
}

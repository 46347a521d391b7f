package matrix

import (
	"reflect"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// The shape of a definition file. Values stay expressions here, so that every mistake in one of them can be
// reported at its own line and column.

type fileSchema struct {
	Default   hcl.Expression    `hcl:"default,optional"`
	Packages  []packageSchema   `hcl:"package,block"`
	Platforms []platformSchema  `hcl:"platform,block"`
	Cells     []cellsSchema     `hcl:"cells,block"`
	Universal []universalSchema `hcl:"universal,block"`
	Torches   []torchSchema     `hcl:"torch,block"`
	CUDAs     []cudaSchema      `hcl:"cuda,block"`
	SMs       []smSchema        `hcl:"sm,block"`
	Groups    []groupSchema     `hcl:"group,block"`
}

type packageSchema struct {
	Name         string         `hcl:"name,label"`
	NameRange    hcl.Range      `hcl:"name,label_range"`
	Distribution hcl.Expression `hcl:"distribution"`
	Module       hcl.Expression `hcl:"module"`
	Fatbin       hcl.Expression `hcl:"fatbin"`
	Version      hcl.Expression `hcl:"version"`
	SMs          []onlySchema   `hcl:"sms,block"`
	Oldest       []oldestSchema `hcl:"oldest,block"`
}

type onlySchema struct {
	Only     hcl.Expression `hcl:"only"`
	Source   hcl.Expression `hcl:"source"`
	DefRange hcl.Range      `hcl:",def_range"`
}

type oldestSchema struct {
	What      string         `hcl:"what,label"`
	WhatRange hcl.Range      `hcl:"what,label_range"`
	Version   hcl.Expression `hcl:"version"`
	Source    hcl.Expression `hcl:"source"`
}

type platformSchema struct {
	Name         string         `hcl:"name,label"`
	NameRange    hcl.Range      `hcl:"name,label_range"`
	Tag          hcl.Expression `hcl:"tag"`
	UniversalTag hcl.Expression `hcl:"universal_tag"`
	Triple       hcl.Expression `hcl:"triple"`
	Library      hcl.Expression `hcl:"library"`
	Glibc        hcl.Expression `hcl:"glibc,optional"`
	Emulator     hcl.Expression `hcl:"emulator,optional"`
}

type cellsSchema struct {
	Package  hcl.Expression `hcl:"package"`
	Platform hcl.Expression `hcl:"platform"`
	Torch    hcl.Expression `hcl:"torch"`
	CUDA     hcl.Expression `hcl:"cuda"`
	Python   hcl.Expression `hcl:"python"`
	Test     hcl.Expression `hcl:"test,optional"`
	DefRange hcl.Range      `hcl:",def_range"`
}

type universalSchema struct {
	Package  hcl.Expression  `hcl:"package"`
	Platform hcl.Expression  `hcl:"platform"`
	Torch    hcl.Expression  `hcl:"torch"`
	CUDA     hcl.Expression  `hcl:"cuda"`
	Python   hcl.Expression  `hcl:"python"`
	Tests    []runtimeSchema `hcl:"test,block"`
	DefRange hcl.Range       `hcl:",def_range"`
}

type runtimeSchema struct {
	Torch  hcl.Expression `hcl:"torch"`
	Python hcl.Expression `hcl:"python"`
}

type torchSchema struct {
	Name      string         `hcl:"release,label"`
	NameRange hcl.Range      `hcl:"release,label_range"`
	CUDA      hcl.Expression `hcl:"cuda"`
	Python    hcl.Expression `hcl:"python"`
	Source    hcl.Expression `hcl:"source"`
}

type cudaSchema struct {
	Name      string         `hcl:"release,label"`
	NameRange hcl.Range      `hcl:"release,label_range"`
	Targets   hcl.Expression `hcl:"targets"`
	Source    hcl.Expression `hcl:"source"`
}

type smSchema struct {
	Name      string         `hcl:"capability,label"`
	NameRange hcl.Range      `hcl:"capability,label_range"`
	CUDA      hcl.Expression `hcl:"cuda,optional"`
	Image     hcl.Expression `hcl:"image,optional"`
	GPUs      hcl.Expression `hcl:"gpus"`
	Source    hcl.Expression `hcl:"source"`
}

type groupSchema struct {
	Name      string         `hcl:"name,label"`
	NameRange hcl.Range      `hcl:"name,label_range"`
	Targets   hcl.Expression `hcl:"targets"`
}

// required reports missing attributes. The HCL library does not report them where the schema asks for expressions: it
// puts an expression without a single character in place of a missing attribute.
func (r *reader) required(block reflect.Value) {
	for i := range block.NumField() {
		name, kind, _ := strings.Cut(block.Type().Field(i).Tag.Get("hcl"), ",")
		switch value := block.Field(i).Interface().(type) {
		case hcl.Expression:
			if kind != "optional" && value.Range().Empty() {
				r.fail(value.Range(), "add the line: "+name+" = …", "missing attribute %q", name)
			}
		default:
			if kind == "block" {
				r.requiredIn(block.Field(i))
			}
		}
	}
}

func (r *reader) requiredIn(blocks reflect.Value) {
	for i := range blocks.Len() {
		r.required(blocks.Index(i))
	}
}

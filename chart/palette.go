package chart

import (
	"fmt"
	"strings"
)

// A role is what a colour stands for. Colours are those of Okabe and Ito
// (2008), which people who are colour-blind tell apart, darkened or lightened
// to a contrast of 3:1 or more against the ground; text has 4.5:1. None stands
// alone: lines are labelled and dashed, bands are named.
type role int

const (
	ground role = iota
	panelGround
	ink
	muted
	grid
	good
	retry
	bad
	unknown
	p50
	p95
	p99
	longest
	c1
	c2
	c3
	c4
	c5
	c6
	c7
	c8
	faultStop
	faultFreeze
	faultSlow
	faultBlock
	faultOther
	met
	missed
	h1
	h2
	h3
	h4
	h5
	h6
	roles
)

// connectorRoles are given to connectors in order, and then again.
var connectorRoles = [...]role{c1, c2, c3, c4, c5, c6, c7, c8}

var heatRoles = [...]role{h1, h2, h3, h4, h5, h6}

// A Colour is one of the palette.
type Colour struct{ Name, Light, Dark string }

var palette = [roles]Colour{
	ground:      {"ground", "#ffffff", "#0d1117"},
	panelGround: {"panel", "#f6f8fa", "#161b22"},
	ink:         {"ink", "#1f2328", "#e6edf3"},
	muted:       {"muted", "#59636e", "#9198a1"},
	grid:        {"grid", "#d1d9e0", "#30363d"},
	good:        {"good", "#0072B2", "#56B4E9"},
	retry:       {"retry", "#B26E00", "#E69F00"},
	bad:         {"bad", "#C44601", "#FF7A3D"},
	unknown:     {"unknown", "#59636e", "#9198a1"},
	p50:         {"p50", "#0072B2", "#56B4E9"},
	p95:         {"p95", "#A8497F", "#E59AC6"},
	p99:         {"p99", "#C44601", "#FF7A3D"},
	longest:     {"max", "#59636e", "#9198a1"},
	c1:          {"c1", "#0072B2", "#56B4E9"},
	c2:          {"c2", "#B26E00", "#E69F00"},
	c3:          {"c3", "#009E73", "#2FC79A"},
	c4:          {"c4", "#A8497F", "#E59AC6"},
	c5:          {"c5", "#C44601", "#FF7A3D"},
	c6:          {"c6", "#3D6FB4", "#8AB4F8"},
	c7:          {"c7", "#6B6B00", "#D6CB2F"},
	c8:          {"c8", "#59636e", "#9198a1"},
	faultStop:   {"f-stop", "#C44601", "#FF7A3D"},
	faultFreeze: {"f-freeze", "#A8497F", "#E59AC6"},
	faultSlow:   {"f-slow", "#B26E00", "#E69F00"},
	faultBlock:  {"f-block", "#3D6FB4", "#8AB4F8"},
	faultOther:  {"f-other", "#59636e", "#9198a1"},
	met:         {"met", "#00795A", "#2FC79A"},
	missed:      {"missed", "#C44601", "#FF7A3D"},
	h1:          {"h1", "#DCECF7", "#0F2A40"},
	h2:          {"h2", "#A6CEE8", "#14486E"},
	h3:          {"h3", "#5FA8D3", "#1E6FA8"},
	h4:          {"h4", "#1F78B4", "#3F9BD6"},
	h5:          {"h5", "#0B4F85", "#86C5EE"},
	h6:          {"h6", "#062B4F", "#D6EDFB"},
}

// Palette is every colour, for others who draw the same.
func Palette() []Colour { return palette[:] }

// style is what a picture needs to turn dark: its elements carry the light
// colours themselves, so that programs that read no style sheets draw it too.
func style(used *[roles]bool) string {
	var b strings.Builder
	b.WriteString("@media (prefers-color-scheme: dark) {")
	for r, c := range palette {
		if used[r] {
			fmt.Fprintf(&b, " .f-%s{fill:%s} .s-%s{stroke:%s}", c.Name, c.Dark, c.Name, c.Dark)
		}
	}
	b.WriteString(" }")
	return b.String()
}

// faultRole is the colour of a kind of fault.
func faultRole(kind string) role {
	switch kind {
	case "crash", "stop", "power-loss", "kill":
		return faultStop
	case "freeze", "hanging-directory", "hanging-adfs":
		return faultFreeze
	case "slow-directory", "slow-adfs", "degrade", "crowded-directory", "limit-cpu", "limit-memory":
		return faultSlow
	case "block", "partition":
		return faultBlock
	}
	return faultOther
}

package chart

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// font is what the reader's system has, on every system.
const font = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"

// canvas collects the elements of one picture.
type canvas struct {
	body                       bytes.Buffer
	width, height              float64
	title, description, family string
	used                       [roles]bool
	clips                      int
}

func newCanvas() *canvas { return &canvas{width: 960, family: font} }

func (c *canvas) writeTo(w io.Writer) {
	c.used[ground] = true
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img" aria-labelledby="title desc" font-family="%s" font-size="12">`+"\n",
		num(c.width), num(c.height), num(c.width), num(c.height), escape(c.family))
	fmt.Fprintf(w, "<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n", escape(c.title), escape(c.description))
	fmt.Fprintf(w, "<style>text{font-variant-numeric:tabular-nums} %s</style>\n", style(&c.used))
	fmt.Fprintf(w, `<rect width="100%%" height="100%%" rx="6" class="f-ground" fill="%s"/>`+"\n", palette[ground].Light)
	_, _ = c.body.WriteTo(w) // to memory
	fmt.Fprint(w, "</svg>\n")
}

// num is a coordinate, to a hundredth of a pixel.
func num(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0" // a picture with a wrong point beats none at all
	}
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}

// escape makes any text harmless between and inside tags. What XML cannot hold
// becomes a replacement character, and what would turn the direction of the
// text around it is left out.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&quot;")
		case r == '\'':
			b.WriteString("&#39;")
		case r == '\t' || r == '\n' || r == '\r':
			b.WriteByte(' ')
		case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c:
		case r < 0x20 || r == 0xfffe || r == 0xffff || r == utf8.RuneError || r >= 0x7f && r < 0xa0:
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// textWidth guesses how wide a text is, in pixels; generously, for the font is
// the reader's, and DejaVu, which Linux has, is wide.
func textWidth(s string, size float64) float64 {
	var em float64
	for _, r := range s {
		switch {
		case strings.ContainsRune("iljtfrI.,:;|!'() ", r):
			em += .34
		case r == 'm' || r == 'w' || r == 'M' || r == 'W' || r == '%' || r == '@':
			em += .88
		case unicode.IsUpper(r):
			em += .68
		case r >= 0x1100: // ideographs, emoji
			em++
		default:
			em += .57
		}
	}
	return em * size * 1.12
}

// fit cuts a text that is wider than a width.
func fit(s string, size, width float64) string {
	if textWidth(s, size) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 1 && textWidth(string(runes)+"…", size) > width {
		runes = runes[:len(runes)-1]
	}
	return strings.TrimRight(string(runes), " ") + "…"
}

func (c *canvas) fill(r role) string {
	c.used[r] = true
	return fmt.Sprintf(`class="f-%s" fill="%s"`, palette[r].Name, palette[r].Light)
}

func (c *canvas) stroke(r role) string {
	c.used[r] = true
	return fmt.Sprintf(`class="s-%s" stroke="%s"`, palette[r].Name, palette[r].Light)
}

// anchor is where a text stands relative to its point.
type anchor string

const (
	startAt  anchor = "start"
	middleAt anchor = "middle"
	endAt    anchor = "end"
)

// text writes a line of text; more holds further attributes.
func (c *canvas) text(x, y float64, r role, a anchor, size float64, s string, more ...string) {
	if s == "" {
		return
	}
	extra := ""
	if a != startAt {
		extra += ` text-anchor="` + string(a) + `"`
	}
	if size != 12 {
		extra += ` font-size="` + num(size) + `"`
	}
	for _, m := range more {
		extra += " " + m
	}
	fmt.Fprintf(&c.body, `<text x="%s" y="%s" %s%s>%s</text>`+"\n", num(x), num(y), c.fill(r), extra, escape(s))
}

const bold = `font-weight="600"`

func (c *canvas) rect(x, y, w, h float64, r role, opacity float64) {
	if w <= 0 || h <= 0 {
		return
	}
	shade := ""
	if opacity < 1 {
		shade = ` fill-opacity="` + num(opacity) + `"`
	}
	fmt.Fprintf(&c.body, `<rect x="%s" y="%s" width="%s" height="%s" %s%s/>`+"\n", num(x), num(y), num(w), num(h), c.fill(r), shade)
}

func (c *canvas) line(x1, y1, x2, y2 float64, r role, width float64, dash string) {
	fmt.Fprintf(&c.body, `<path d="M%s %sL%s %s" %s stroke-width="%s"%s fill="none"/>`+"\n",
		num(x1), num(y1), num(x2), num(y2), c.stroke(r), num(width), dashed(dash))
}

func dashed(dash string) string {
	if dash == "" {
		return ""
	}
	return ` stroke-dasharray="` + dash + `"`
}

// circle marks a point.
func (c *canvas) circle(x, y, radius float64, r role) {
	fmt.Fprintf(&c.body, `<circle cx="%s" cy="%s" r="%s" %s/>`+"\n", num(x), num(y), num(radius), c.fill(r))
}

// A point of a line; a y that is no number interrupts it.
type point struct{ x, y float64 }

// polyline draws a line through points.
func (c *canvas) polyline(points []point, r role, width float64, dash string) {
	var d strings.Builder
	pen, alone := false, false
	for i, p := range points {
		if math.IsNaN(p.y) {
			pen = false
			continue
		}
		if !pen {
			fmt.Fprintf(&d, "M%s %s", num(p.x), num(p.y))
			// A point without neighbours would not be seen.
			alone = i+1 == len(points) || math.IsNaN(points[i+1].y)
			if alone {
				d.WriteString("h.01")
			}
			pen = true
			continue
		}
		fmt.Fprintf(&d, "L%s %s", num(p.x), num(p.y))
	}
	if d.Len() > 0 {
		fmt.Fprintf(&c.body, `<path d="%s" %s stroke-width="%s"%s fill="none" stroke-linejoin="round" stroke-linecap="round"/>`+"\n",
			d.String(), c.stroke(r), num(width), dashed(dash))
	}
}

// area fills what is between two lines over the same places.
func (c *canvas) area(top, bottom []point, r role, opacity float64) {
	if len(top) == 0 {
		return
	}
	var d strings.Builder
	for i, p := range top {
		fmt.Fprintf(&d, "%s%s %s", [...]string{"M", "L"}[min(i, 1)], num(p.x), num(p.y))
	}
	for i := len(bottom) - 1; i >= 0; i-- {
		fmt.Fprintf(&d, "L%s %s", num(bottom[i].x), num(bottom[i].y))
	}
	fmt.Fprintf(&c.body, `<path d="%sZ" %s fill-opacity="%s"/>`+"\n", d.String(), c.fill(r), num(opacity))
}

// within draws what do draws cut to a rectangle.
func (c *canvas) within(x, y, w, h float64, do func()) {
	c.clips++
	fmt.Fprintf(&c.body, `<clipPath id="clip%d"><rect x="%s" y="%s" width="%s" height="%s"/></clipPath><g clip-path="url(#clip%d)">`+"\n",
		c.clips, num(x), num(y), num(w), num(h), c.clips)
	do()
	c.body.WriteString("</g>\n")
}

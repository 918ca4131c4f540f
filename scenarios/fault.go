package scenarios

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// String is the line that ParseFault reads back: kind, target and settings in
// brackets, then when and how long. A name is added when it is not of the form
// that faults without one get.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s(%s", f.Kind, f.Target)
	v := reflect.ValueOf(f)
	for _, setting := range faultSettings {
		if value := v.Field(setting.index); !value.IsZero() {
			fmt.Fprintf(&b, ", %s=%s", setting.name, settingText(value))
		}
	}
	b.WriteString(") ")
	switch {
	case f.After != "":
		fmt.Fprintf(&b, "after %s", f.After)
	case f.With != "":
		fmt.Fprintf(&b, "with %s", f.With)
	default:
		fmt.Fprintf(&b, "at %s", f.At)
	}
	if f.relative() && f.At != 0 {
		fmt.Fprintf(&b, " + %s", f.At)
	}
	fmt.Fprintf(&b, " for %s", f.For)
	if f.Every != 0 {
		fmt.Fprintf(&b, " every %s", f.Every)
	}
	if f.Until != 0 {
		fmt.Fprintf(&b, " until %s", f.Until)
	}
	if f.Name != "" && !f.defaultNamed() {
		fmt.Fprintf(&b, " as %s", f.Name)
	}
	return b.String()
}

// settingText is the value of a setting as a line has it.
func settingText(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case []string: // ports
		return strings.Join(portRanges(value), ",")
	case []FaultKind:
		return strings.Join(words(value...), ",")
	default:
		return fmt.Sprint(value)
	}
}

// relative says whether At counts from another fault.
func (f Fault) relative() bool { return f.After != "" || f.With != "" }

// defaultNamed says whether the name is a kind and a number.
func (f Fault) defaultNamed() bool {
	number, ok := strings.CutPrefix(f.Name, string(f.Kind)+"-")
	n, err := strconv.Atoi(number)
	return ok && err == nil && n > 0 && strconv.Itoa(n) == number
}

// End is when the fault is undone.
func (f Fault) End() Duration { return f.At + f.For }

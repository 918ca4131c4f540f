package scenarios

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// least has only what a scenario needs.
const least = `format: 1
name: least
tenants: [{name: contoso, domains: [contoso.test]}, {name: fabrikam, domains: [fabrikam.test]}]
load: {rate: 100/s, duration: 1m, mix: {right: 100%}}
`

func TestPresets(t *testing.T) {
	standard := parse(t, least)
	for _, c := range []struct {
		preset   Preset
		want     func(*Cloud)
		fallback Fallback
		timeout  Duration
	}{
		{PresetDefault, func(*Cloud) {}, FallbackAutomatic, 10 * second},
		{PresetEntra, func(c *Cloud) {
			c.Dispatch, c.Handoff, c.Attempts, c.Deadline, c.AttemptTimeout = Random, false, 1, 15*second, 15*second
			c.Heartbeat, c.HeartbeatMisses, c.BreakerThreshold = 10*second, 1, 0
		}, FallbackManual, 20 * second},
		{PresetOkta, func(c *Cloud) {
			c.Dispatch, c.Handoff, c.Deadline, c.Heartbeat, c.HeartbeatMisses, c.BreakerThreshold = FirstAvailable, false, 4*second, 120*second, 1, 0
			c.Attempts, c.AttemptTimeout = 1, 4*second
		}, FallbackNoneLeft, 10 * second},
		{PresetPingOne, func(c *Cloud) {
			c.Dispatch, c.Handoff, c.Deadline, c.Heartbeat, c.HeartbeatMisses, c.BreakerThreshold = LeastOutstanding, false, 5*second, 10*second, 1, 0
			c.Attempts, c.AttemptTimeout = 1, 5*second
		}, FallbackOff, 10 * second},
	} {
		s := parse(t, least, "preset="+string(c.preset))
		want := standard.Cloud
		c.want(&want)
		if s.Cloud != want || s.Tenants[0].Fallback != c.fallback || s.Tenants[1].Fallback != c.fallback || s.Load.Timeout != c.timeout {
			t.Errorf("%s:\n%s\nwant %+v", c.preset, s.YAML(), want)
		}
		roundTrip(t, s)
		// The order of the document does not matter.
		first := parse(t, "cloud: {queue: 9}\n"+least+"preset: "+string(c.preset)+"\n")
		if want.Queue = 9; first.Cloud != want {
			t.Errorf("%s in the last line: %+v", c.preset, first.Cloud)
		}
	}
}

// Each figure has its source, and is what a scenario gets.
func TestPresetSettings(t *testing.T) {
	if !slices.Equal(words(Presets()...), PresetDefault.words()) {
		t.Errorf("%v", Presets())
	}
	for _, p := range Presets() {
		s := parse(t, least, "preset="+string(p))
		settings := PresetSettings(p)
		if len(settings) < 6 {
			t.Errorf("%s: %d settings", p, len(settings))
		}
		var sets []string
		for _, setting := range settings {
			value := string(s.Tenants[0].Fallback)
			if setting.Field != fieldFallback {
				value = s.text(setting.Field)
			}
			if value != setting.Value {
				t.Errorf("%s: %s is %s, and stated is %s", p, setting.Field, value, setting.Value)
			}
			if !slices.ContainsFunc([]string{"default of ours", "vendor documentation: ", "assumption of ours: ", "reverse engineering published by third parties: ", "follows from "},
				func(from string) bool { return strings.HasPrefix(setting.Source, from) }) {
				t.Errorf("%s: %s: source %q", p, setting.Field, setting.Source)
			}
			sets = append(sets, strings.Replace(setting.Field, "*", "1", 1)+"="+setting.Value)
		}
		if given := parse(t, least, append(sets, "preset="+string(p))...); !reflect.DeepEqual(given, s) {
			t.Errorf("%s, given field by field:\n%s", p, given.YAML())
		}
		settings[0].Value = "changed"
		if PresetSettings(p)[0].Value == "changed" {
			t.Errorf("%s: the table can be changed", p)
		}
	}
	if PresetSettings("acme") != nil {
		t.Error("settings of no preset")
	}
}

func TestTimeScale(t *testing.T) {
	for _, c := range []struct {
		sets []string
		want time.Duration
	}{
		{[]string{"time_scale=1"}, 250 * time.Millisecond},
		{[]string{"time_scale=10"}, 25 * time.Millisecond},
		{[]string{"time_scale=1000"}, 10 * time.Millisecond},
		{[]string{"time_scale=1", "cloud.heartbeat=1s"}, time.Second},
		{[]string{"time_scale=10", "cloud.heartbeat=250ms"}, 25 * time.Millisecond},
		{[]string{"time_scale=10", "cloud.heartbeat=25ms"}, 25 * time.Millisecond},
		{[]string{"preset=okta", "time_scale=100"}, 1200 * time.Millisecond},
		{[]string{"preset=okta", "time_scale=100", "cloud.heartbeat=120s"}, 1200 * time.Millisecond},
		{[]string{"preset=okta", "time_scale=100", "cloud.heartbeat=1.2s"}, 1200 * time.Millisecond},
		{[]string{"preset=okta", "time_scale=7"}, 17142857142 * time.Nanosecond},
	} {
		s := parse(t, least, c.sets...)
		if time.Duration(s.Cloud.Heartbeat) != c.want {
			t.Errorf("%v: heartbeat %s, want %s", c.sets, s.Cloud.Heartbeat, c.want)
		}
		roundTrip(t, s)
	}
}

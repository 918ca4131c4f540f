package scenarios

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
)

// A PresetSetting is what a preset says of one field of a scenario.
type PresetSetting struct {
	Field  string // such as cloud.dispatch; tenants[*].fallback is that of every tenant
	Value  string // as a scenario has it
	Source string // vendor documentation, or an assumption of ours and why
}

// The fields that presets set.
const (
	fieldDispatch  = "cloud.dispatch"
	fieldHandoff   = "cloud.handoff"
	fieldAttempts  = "cloud.attempts"
	fieldDeadline  = "cloud.deadline"
	fieldAttempt   = "cloud.attempt_timeout"
	fieldHeartbeat = "cloud.heartbeat"
	fieldMisses    = "cloud.heartbeat_misses"
	fieldBreaker   = "cloud.breaker_threshold"
	fieldFallback  = "tenants[*].fallback"
)

// What several presets rest on.
const (
	sourceOurs    = "default of ours"
	sourceDropped = "vendor documentation: what a dead agent has in hand is dropped, not given to another"
	sourceNobody  = "follows from handoff off: nobody else is tried"
	sourceBreaker = "assumption of ours: none of these documents a breaker; 0 turns it off"
	sourceWhole   = "assumption of ours: the one interval is the whole documented time to notice"
)

// The heartbeat stands for whatever a product does to notice a silent agent:
// interval times misses is how long that takes.
var presets = map[Preset][]PresetSetting{
	PresetDefault: {
		{fieldDispatch, "least-outstanding", sourceOurs},
		{fieldHeartbeat, "250ms", sourceOurs + ": with three misses a silent connector is given up within a second"},
		{fieldMisses, "3", sourceOurs},
		{fieldDeadline, "5s", sourceOurs},
		{fieldAttempt, "1s", sourceOurs},
		{fieldAttempts, "3", sourceOurs},
		{fieldBreaker, "5", sourceOurs},
		{fieldHandoff, "on", sourceOurs + ": what a lost connector has in hand goes to another"},
		{fieldFallback, "automatic", sourceOurs},
	},
	PresetEntra: {
		{fieldDispatch, "random", "vendor documentation: balancing is not deterministic, and an agent may get no traffic; that it is evenly random is an assumption of ours"},
		{fieldHeartbeat, "10s", "reverse engineering published by third parties: the agent's bootstrap sets a keep-alive of 10 s"},
		{fieldMisses, "1", "assumption of ours: one keep-alive that is not answered ends the connection"},
		{fieldDeadline, "15s", "reverse engineering published by third parties: the agent's bootstrap sets a request deadline of 15 s"},
		{fieldAttempt, "15s", "follows from the next: with one attempt it is the deadline"},
		{fieldAttempts, "1", sourceDropped},
		{fieldBreaker, "0", sourceBreaker},
		{fieldHandoff, "off", sourceDropped},
		{fieldFallback, "manual", "vendor documentation: the change to password hash sync is a switch that an administrator throws"},
	},
	PresetOkta: {
		{fieldDispatch, "first-available", "vendor documentation: an available agent is selected (help.okta.com, Multiple Okta Active Directory agents, which also says: at random); that it is the first one is the reading of ours"},
		{fieldHeartbeat, "2m", "vendor documentation: an agent is marked unavailable after 120 s without a message (help.okta.com, Multiple Okta Active Directory agents)"},
		{fieldMisses, "1", sourceWhole},
		{fieldDeadline, "4s", "vendor documentation: a sign-in fails after 4,000 ms (support.okta.com, Troubleshooting delegated authentication timeouts)"},
		{fieldAttempt, "4s", sourceNobody},
		{fieldAttempts, "1", sourceNobody},
		{fieldBreaker, "0", sourceBreaker},
		{fieldHandoff, "off", sourceDropped},
		{fieldFallback, "none-left", "vendor documentation: a cached hash answers when no agent is online, for up to 5 days after the last sign-in (support.okta.com, Cache AD credentials); the age is not modelled"},
	},
	PresetPingOne: {
		{fieldDispatch, "least-outstanding", "vendor documentation: by load and latency; an older page says round robin (docs.pingidentity.com, Configure multiple gateways); that this is the one with the fewest sign-ins in hand is an assumption of ours"},
		{fieldHeartbeat, "10s", "assumption of ours: an unavailable gateway is documented to be excluded (docs.pingidentity.com, Configure multiple gateways), and not after how long; as with entra"},
		{fieldMisses, "1", "assumption of ours: the one interval is the whole time to notice"},
		{fieldDeadline, "5s", "vendor documentation: a sign-in waits 5 s for a gateway"},
		{fieldAttempt, "5s", sourceNobody},
		{fieldAttempts, "1", sourceNobody},
		{fieldBreaker, "0", sourceBreaker},
		{fieldHandoff, "off", sourceDropped},
		{fieldFallback, "off", "vendor documentation: there is none"},
	},
}

// PresetSettings are the fields that a preset sets, each with where its figure
// comes from; none for an unknown preset. A scenario may leave such a field
// out, and with a preset other than the default it may not contradict it.
func PresetSettings(p Preset) []PresetSetting { return slices.Clone(presets[p]) }

// Presets are all presets, the default first.
func Presets() []Preset { return []Preset{PresetDefault, PresetEntra, PresetOkta, PresetPingOne} }

// minHeartbeat is the shortest interval that time_scale leads to, as that of
// the field.
const minHeartbeat = Duration(10e6)

var listIndex = regexp.MustCompile(`\[[0-9]+\]`)

// presetField is a path as presets name it.
func presetField(path string) string { return listIndex.ReplaceAllString(path, "[*]") }

// preset makes the defaults those of the preset, before anything is decoded. A
// preset or a time scale that is wrong is reported later.
func (d *decoder) preset(root *node) {
	name, scale := PresetDefault, 1
	for _, e := range root.entries {
		switch e.key {
		case "preset":
			name = Preset(e.value.text)
		case "time_scale":
			if n, err := strconv.Atoi(e.value.text); err == nil && n > 0 {
				scale = n
			}
		}
	}
	d.defaults = map[string]string{}
	for _, setting := range presets[name] {
		d.defaults[setting.Field] = setting.Value
	}
	if _, known := presets[name]; known && scale > 1 {
		d.defaults[fieldHeartbeat] = scaledHeartbeat(name, scale).String()
	}
}

// scaledHeartbeat is the preset's interval, so many times as fast.
func scaledHeartbeat(p Preset, scale int) Duration {
	var interval Duration
	i := slices.IndexFunc(presets[p], func(s PresetSetting) bool { return s.Field == fieldHeartbeat })
	if interval.UnmarshalText([]byte(presets[p][i].Value)) != nil {
		panic("scenarios: heartbeat of preset " + string(p))
	}
	return max(interval/Duration(scale), minHeartbeat)
}

// checkPreset finds the fields that contradict the preset. With a time scale
// the heartbeat must be the preset's even by default: it is written as it runs,
// and what it was before could not be told from it.
func (d *decoder) checkPreset(s *Scenario) {
	if !d.sound("preset") {
		return
	}
	for _, setting := range presets[s.Preset] {
		switch {
		case setting.Field == fieldHeartbeat:
			if d.sound("time_scale") {
				d.checkHeartbeat(s, setting)
			}
		case s.Preset == PresetDefault: // fixes nothing
		case setting.Field == fieldFallback:
			for i, t := range s.Tenants {
				d.checkSetting(s.Preset, setting, fmt.Sprintf("tenants[%d].fallback", i), string(t.Fallback))
			}
		default:
			d.checkSetting(s.Preset, setting, setting.Field, s.text(setting.Field))
		}
	}
}

// checkSetting compares a field that was given with what the preset says.
func (d *decoder) checkSetting(p Preset, setting PresetSetting, path, value string) {
	if _, given := d.at[path]; given && d.sound(path) && value != setting.Value {
		d.wrong(path, value, fmt.Sprintf("%s, as preset %s has it, or no such line, or another preset", setting.Value, p))
	}
}

// checkHeartbeat accepts the preset's interval and what time_scale makes of it,
// and sets what runs.
func (d *decoder) checkHeartbeat(s *Scenario, setting PresetSetting) {
	if _, given := d.at[fieldHeartbeat]; !given || !d.sound(fieldHeartbeat) || s.Preset == PresetDefault && s.TimeScale == 1 {
		return
	}
	scaled := scaledHeartbeat(s.Preset, s.TimeScale)
	switch s.Cloud.Heartbeat {
	case scaled, scaledHeartbeat(s.Preset, 1):
		s.Cloud.Heartbeat = scaled
	default:
		expected := fmt.Sprintf("%s, as preset %s has it", setting.Value, s.Preset)
		if s.TimeScale > 1 {
			expected += fmt.Sprintf(", or %s, which time_scale %d makes of it", scaled, s.TimeScale)
		}
		d.wrong(fieldHeartbeat, s.Cloud.Heartbeat.String(), expected+", or no such line")
	}
}

// text is a field of the cloud as a scenario has it.
func (s *Scenario) text(path string) string {
	name := path[len("cloud."):]
	v := reflect.ValueOf(s.Cloud)
	return fmt.Sprint(v.Field(structOf(v.Type()).byName[name].index).Interface())
}

package cli

import (
	"strings"
	"testing"

	"ptabench/scenarios"
)

func TestPresetsCommand(t *testing.T) {
	printed, _, code := execute(t, scenariosCommand(), "presets")
	if code != exitPass {
		t.Errorf("exit %d", code)
	}
	for _, preset := range scenarios.Presets() {
		_, below, found := strings.Cut("\n"+printed, "\n"+string(preset)+"\n")
		if !found {
			t.Errorf("%s is missing:\n%s", preset, printed)
		}
		below, _, _ = strings.Cut(below, "\n\n")
		lines := strings.Split(strings.TrimSpace(below), "\n")
		settings := scenarios.PresetSettings(preset)
		if len(lines) != len(settings) {
			t.Fatalf("%s: %d lines, want %d:\n%s", preset, len(lines), len(settings), below)
		}
		for i, s := range settings {
			fields := strings.Fields(lines[i])
			if fields[0] != s.Field || fields[1] != s.Value || !strings.HasSuffix(lines[i], "  "+s.Source) {
				t.Errorf("%s: %q, want %+v", preset, lines[i], s)
			}
		}
	}
	if _, errs, code := execute(t, scenariosCommand(), "presets", "entra"); code != exitUsage || !strings.Contains(errs, `unknown command "entra"`) {
		t.Errorf("an argument: exit %d: %s", code, errs)
	}
}

package cli

import (
	"testing"

	"github.com/spf13/cobra"

	"ptabench/scenarios"
)

// TestNobodyAsksForANetwork: without a scenario that does, nothing happens.
func TestNobodyAsksForANetwork(t *testing.T) {
	cmd := &cobra.Command{}
	cmd.SetContext(withArguments(t.Context(), []string{"run"}))
	for _, asked := range [][]*scenarios.Scenario{nil, {{Network: scenarios.Loopback}, {Network: scenarios.Loopback}}} {
		if done, err := elsewhere(cmd, asked...); done || err != nil {
			t.Errorf("%d scenarios: done %v, %v", len(asked), done, err)
		}
	}
}

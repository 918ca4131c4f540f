package cloudsim

import (
	"strings"
	"testing"
	"time"
)

func TestBootstrapSettings(t *testing.T) {
	for _, tt := range []struct {
		change func(*Config)
		want   string // "" when nothing is wrong
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.MinConnectorVersion, c.RequireMinVersion = "1.2.3", true }, ""},
		{func(c *Config) { c.RequireMinVersion = true }, "require-min-version: on: expected a min-connector-version"},
		{func(c *Config) { c.MinConnectorVersion = "newest" }, "min-connector-version: newest: expected a version such as 1.2.3"},
		{func(c *Config) { c.StatusInterval = time.Millisecond }, "status-interval: 1ms: expected 10ms to 168h0m0s"},
		{func(c *Config) { c.BootstrapInterval = -1 }, "bootstrap-interval: -1ns: expected"},
		{func(c *Config) { c.RenewalPoll = 8 * 24 * time.Hour }, "renew-poll: 192h0m0s: expected"},
		{func(c *Config) { c.ReconnectMax = time.Hour }, "reconnect-max: 1h0m0s: expected 100ms to 5m0s"},
	} {
		c := settings(t)
		tt.change(&c)
		if err := c.Validate(); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v; want %q", err, tt.want)
		}
	}
}

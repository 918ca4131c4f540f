package cloudsim

import "time"

// WaitForResponses has a connector that lost its response stream given that
// long to be back before it counts as one that cannot answer.
func (c *Config) WaitForResponses(d time.Duration) {
	c.limits = usualLimits
	c.limits.returns = d
}

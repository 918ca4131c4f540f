//go:build !race

package cloudsim_test

const slowness = 1

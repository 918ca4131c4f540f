//go:build race

package cloudsim_test

// slowness is how many times as long everything takes under the race detector.
const slowness = 4

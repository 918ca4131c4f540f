package scenarios

// UpdateFlaw is what is wrong with an update that is published.
type UpdateFlaw string

// The flaws. Versions with the last two are rightly signed, and tried.
const (
	NoFlaw        UpdateFlaw = ""
	FlawTampered  UpdateFlaw = "tampered"  // a byte of the program was changed
	FlawTruncated UpdateFlaw = "truncated" // half of it is missing
	FlawForged    UpdateFlaw = "forged"    // another key signed it
	FlawExpired   UpdateFlaw = "expired"
	FlawForeign   UpdateFlaw = "foreign" // it is for another platform
	FlawOlder     UpdateFlaw = "older"   // an older version than the one that runs
	FlawBroken    UpdateFlaw = "broken"  // it ends as soon as it is started
	FlawMute      UpdateFlaw = "mute"    // it starts and never attaches
)

func (UpdateFlaw) words() []string {
	return words(FlawTampered, FlawTruncated, FlawForged, FlawExpired, FlawForeign, FlawOlder, FlawBroken, FlawMute)
}

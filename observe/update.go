package observe

import (
	"cmp"
	"fmt"
	"time"
)

// The events of updates. Cause is "FROM -> TO", and why after a colon where
// there is something to say.
const (
	UpdateBegan   Kind = "update-began"   // the connector has the lease: it tries the new version
	UpdateDone    Kind = "update-done"    // Count is how many milliseconds it did not serve
	UpdateFailed  Kind = "update-failed"  // the old version runs again; Count as above
	UpdateRefused Kind = "update-refused" // without a try
	UpdateLapsed  Kind = "update-lapsed"  // the lease ran out: the connector is not heard of
)

// An UpdateState is how far a connector has got with an update.
type UpdateState string

// The states.
const (
	Updating      UpdateState = "updating"
	Updated       UpdateState = "updated"
	FailedUpdate  UpdateState = "failed"
	RefusedUpdate UpdateState = "refused"
	LapsedUpdate  UpdateState = "lapsed"
)

// An Update is what became of one update at one connector.
type Update struct {
	Tenant    string      `json:"tenant"`
	Connector string      `json:"connector"`
	From      string      `json:"from"`
	To        string      `json:"to,omitempty"` // empty when the manifest could not be believed
	State     UpdateState `json:"state"`
	Reason    string      `json:"reason,omitempty"`
	BeganNS   int64       `json:"began_ns"`
	EndedNS   int64       `json:"ended_ns,omitempty"` // 0 while it goes on
	// NotServingNS is for how long, meanwhile, the connector had no session
	// that is fit for sign-ins, looked at every few milliseconds.
	NotServingNS int64 `json:"not_serving_ns"`
}

// Updates are those that the cloud has seen since it started, in order.
type Updates struct {
	Updates []Update `json:"updates"`
}

// Text is the update in a few words.
func (u *Update) Text() string {
	text := fmt.Sprintf("%s %s -> %s %s", u.Connector, u.From, cmp.Or(u.To, "?"), u.State)
	if u.Reason != "" {
		text += " (" + u.Reason + ")"
	}
	if u.EndedNS > 0 && u.State != RefusedUpdate {
		text += fmt.Sprintf(" in %v, not serving for %v", shortly(u.EndedNS-u.BeganNS), shortly(u.NotServingNS))
	}
	return text
}

func shortly(ns int64) time.Duration { return time.Duration(ns).Round(time.Millisecond) }

// words is what there is to say beside a version; nothing for nil.
func (u *InventoryUpdate) words() string {
	switch {
	case u == nil:
		return ""
	case u.Failed != "":
		return ", " + u.Failed + " failed"
	case u.LastRefused != "":
		return ", update refused: " + u.LastRefused
	}
	return ""
}

// InventoryUpdate is what a connector reports of updates.
type InventoryUpdate struct {
	Refused map[string]uint64 `json:"refused"` // manifests and programs, by reason
	// LastRefused is the reason of the last one.
	LastRefused string `json:"last_refused,omitempty"`
	// Failed is the last version that was rolled back, which it does not try
	// again, and why.
	Failed       string `json:"failed,omitempty"`
	FailedReason string `json:"failed_reason,omitempty"`
}

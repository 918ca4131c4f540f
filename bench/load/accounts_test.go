package load

import (
	"strings"
	"testing"
	"time"

	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

// mayBe is the same accounts at any time.
type mayBe []population.Account

func (m mayBe) Version(int) uint32        { return m[0].Version }
func (m mayBe) Recent(uint64) (int, bool) { return 4, true }
func (m mayBe) Between(_ int, _, _ time.Time, yield func(population.Account) bool) {
	for _, a := range m {
		if !yield(a) {
			return
		}
	}
}

// TestJudgedWhileAccountsChange: an answer is right when it is that of any state
// that the account was in while the sign-in was under way.
func TestJudgedWhileAccountsChange(t *testing.T) {
	was, changed := population.Account{}, population.Account{Version: 1}
	disabled, expired := population.Account{State: population.Disabled}, population.Account{State: population.PasswordExpired}
	accepted := results.Sample{Outcome: results.OutcomeAccepted}
	refused := func(code uint32) results.Sample { return results.Sample{Outcome: results.OutcomeRefused, Code: code} }
	for about, tt := range map[string]struct {
		accounts mayBe
		intent   scenarios.Intent
		version  uint32 // that is typed
		answer   results.Sample
		want     results.Judgement
	}{
		"as ever":                            {mayBe{was}, scenarios.IntentRight, 0, accepted, results.Right},
		"accepted before or after a change":  {mayBe{was, changed}, scenarios.IntentRight, 0, accepted, results.Right},
		"refused after or before it":         {mayBe{was, changed}, scenarios.IntentRight, 0, refused(50126), results.Right},
		"accepted long after it":             {mayBe{changed}, scenarios.IntentRight, 0, accepted, results.WrongAccept},
		"the new one refused":                {mayBe{changed}, scenarios.IntentRight, 1, refused(50126), results.WrongRefusal},
		"the former one accepted":            {mayBe{changed}, scenarios.IntentOld, 1, accepted, results.WrongAccept},
		"the former one refused":             {mayBe{changed}, scenarios.IntentOld, 1, refused(50126), results.Right},
		"the former one, still the one":      {mayBe{was, changed}, scenarios.IntentOld, 1, accepted, results.Right},
		"disabled, and accepted":             {mayBe{disabled}, scenarios.IntentRight, 0, accepted, results.WrongAccept},
		"disabled meanwhile":                 {mayBe{was, disabled}, scenarios.IntentRight, 0, refused(50057), results.Right},
		"disabled, for another reason":       {mayBe{disabled}, scenarios.IntentRight, 0, refused(50126), results.OtherReason},
		"either of two reasons":              {mayBe{disabled, expired}, scenarios.IntentRight, 0, refused(50144), results.Right},
		"the milder of two judgements":       {mayBe{was, disabled}, scenarios.IntentRight, 0, refused(50053), results.OtherReason},
		"a wrong one while disabled":         {mayBe{disabled}, scenarios.IntentWrong, 0, refused(50057), results.Right},
		"told of a wrong one while disabled": {mayBe{disabled}, scenarios.IntentWrong, 0, refused(50126), results.OtherReason},
		"password first, a wrong one":        {mayBe{disabled}, scenarios.IntentWrong, 0, refused(50126), results.Right},
		"password first, the state":          {mayBe{disabled}, scenarios.IntentWrong, 0, refused(50057), results.Right},
		"password first, the right one":      {mayBe{disabled}, scenarios.IntentRight, 0, refused(50126), results.OtherReason},
		"password first, another state":      {mayBe{disabled}, scenarios.IntentWrong, 0, refused(50053), results.OtherReason},
		"password first, accepted":           {mayBe{disabled}, scenarios.IntentWrong, 0, accepted, results.WrongAccept},
		"enabled since the plan":             {mayBe{was}, scenarios.IntentDisabled, 0, accepted, results.Right},
		"no answer":                          {mayBe{was, disabled}, scenarios.IntentRight, 0, results.Sample{Outcome: results.OutcomeUnknown}, results.NotJudged},
		"nobody":                             {mayBe{was}, scenarios.IntentUnknown, 0, refused(50034), results.Right},
	} {
		t.Run(about, func(t *testing.T) {
			for i, k := range kinds {
				if k.intent == tt.intent {
					tt.answer.Intent = uint8(i)
				}
			}
			s := &signIns{g: &Generator{cfg: Config{Accounts: tt.accounts, PasswordFirst: strings.HasPrefix(about, "password first")}}}
			if got := s.judge(&tt.answer, tt.version, false); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
			if tt.answer.Outcome == results.OutcomeAccepted {
				if got := s.judge(&tt.answer, tt.version, true); got != results.WrongAccept {
					t.Errorf("a token for another user: %v", got)
				}
			}
		})
	}
}

package load

import "ptabench/results"

// judge compares an answer with the truth: the AADSTS code of the directory's
// answer, 0 when it accepts. A token for another user is a wrong accept
// whatever the truth. A sign-in that failed or got no answer is not judged: it
// said nothing.
func judge(s *results.Sample, truth uint32, otherUser bool) results.Judgement {
	switch s.Outcome {
	case results.OutcomeAccepted:
		if truth != 0 || otherUser {
			return results.WrongAccept
		}
		return results.Right
	case results.OutcomeRefused:
		switch {
		case truth == 0:
			return results.WrongRefusal
		case truth != s.Code:
			return results.OtherReason
		}
		return results.Right
	}
	return results.NotJudged
}

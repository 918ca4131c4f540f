package signin

// A Standing is what hash sync has said of an account. Whoever has signed in is
// not asked for a password again for as long as a session or a refresh token is
// good, so this is how an account that has ended since is noticed.
type Standing uint8

// The standings.
const (
	Unsaid Standing = iota // it never was synced, or is deleted
	Enabled
	Disabled
)

// standing is that of a user. Administrators are accounts of the cloud alone.
func (s *Surface) standing(tenant, user string) Standing {
	t, _ := s.cloud.Tenant(tenant)
	if t.Standing == nil || s.admins.of(user, t.Name) {
		return Unsaid
	}
	return t.Standing(user)
}

// gone reports whether an account is disabled now, or deleted since it stood
// otherwise.
func (s *Surface) gone(tenant, user string, before Standing) bool {
	now := s.standing(tenant, user)
	return now == Disabled || now == Unsaid && before == Enabled
}

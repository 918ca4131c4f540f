package load

import (
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// verifyEvery is how many accepted sign-ins go by between two whose token's
// signature is checked: that costs twice what making it did.
const verifyEvery = 256

// NewVerifier returns a function that checks the ES256 signature of a token
// against a JSON Web Key Set. It is safe for concurrent use.
func NewVerifier(jwks []byte) (func(token []byte) error, error) {
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &keys); err != nil {
		return nil, fmt.Errorf("reading the key set: %w", err)
	}
	if len(keys.Keys) == 0 {
		return nil, fmt.Errorf("reading the key set: it holds no key")
	}
	return func(token []byte) error {
		signed, err := jose.ParseSignedCompact(string(token), []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			return fmt.Errorf("reading a token: %w", err)
		}
		id := signed.Signatures[0].Header.KeyID
		found := keys.Key(id)
		if id == "" {
			found = keys.Keys
		}
		for _, key := range found {
			if _, err = signed.Verify(key); err == nil {
				return nil
			}
		}
		if err == nil {
			return fmt.Errorf("verifying a token: the key set has no key %.64q", id)
		}
		return fmt.Errorf("verifying a token: %w", err)
	}, nil
}

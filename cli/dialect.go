package cli

import (
	"github.com/spf13/pflag"

	"ptabench/bind"
)

// dialectFlags are how whoever binds as users is told the ways of a directory.
func dialectFlags(flags *pflag.FlagSet, order, dialect, names, attribute *string) {
	flags.StringVar(order, "directory-order", string(bind.Ordered), "which server of the directory is asked: the first in service (ordered), or that with the fewest sign-ins outstanding (balanced)")
	flags.StringVar(dialect, "directory-dialect", string(bind.Auto), "how the directory says why it refuses: by the account's attributes (attributes), by the password policy control (ppolicy), by Active Directory's sub-codes (ad), or as its root DSE tells (auto)")
	flags.StringVar(names, "directory-names", "", "what users bind as: upn, lookup (the entry that has --directory-name-attribute), or a distinguished name such as 'cn={local},ou=users,dc=contoso,dc=test', with {upn}, {local} and {domain}; by default lookup for OpenLDAP, upn for others")
	flags.StringVar(attribute, "directory-name-attribute", "userPrincipalName", "attribute that users are found by")
}

# Fills a provisioned domain with accounts, or changes them, by Samba's own
# database code. What to do comes as JSON lines on standard input: first what is
# common to all, then an account a line. Where each is to be answered, each is in
# the database when it is, and an error is of that one alone. Passwords come as NT
# hashes and are stored as they are; deriving Kerberos keys from them would take
# ten times as long, and nobody binds by them.
import binascii
import json
import sys

import ldb
from samba.auth import system_session
from samba.dsdb import DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID
from samba.param import LoadParm
from samba.samdb import SamDB

# Hash and time of the password are stored as given.
AS_IT_IS = ["local_oid:%s:0" % DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID]

# Accounts a transaction: the longer one is, the longer each account takes.
BATCH = 50


def main():
    common = json.loads(sys.stdin.readline())
    lp = LoadParm()
    lp.load(common["smb_conf"])
    db = SamDB(url=common["sam_ldb"], session_info=system_session(), lp=lp)
    parent = ldb.Dn(db, common["parent"])

    def dn_of(name):
        dn = ldb.Dn(db, "CN=x")
        dn.set_component(0, "CN", name)
        dn.add_base(parent)
        return dn

    def put(account):
        entry = {"dn": dn_of(account["name"])}
        entry.update(account.get("attributes", {}))
        if "nt" in account:
            entry["unicodePwd"] = binascii.unhexlify(account["nt"])
        if account.get("change"):
            db.modify(ldb.Message.from_dict(db, entry, ldb.FLAG_MOD_REPLACE),
                      controls=AS_IT_IS)
            return
        entry["objectClass"] = "user"
        entry["sAMAccountName"] = account["sam"]
        entry["userPrincipalName"] = account["upn"]
        db.add(entry, controls=AS_IT_IS)

    if common.get("answer"):
        for line in iter(sys.stdin.readline, ""):
            answer = {}
            try:
                put(json.loads(line))  # a transaction by itself
            except ldb.LdbError as error:
                answer["error"] = str(error)
            print(json.dumps(answer), flush=True)
        return

    db.transaction_start()
    try:
        if common.get("domain"):
            change = {"dn": common["base"]}
            change.update(common["domain"])
            db.modify(ldb.Message.from_dict(db, change, ldb.FLAG_MOD_REPLACE))
        for number, line in enumerate(sys.stdin, 1):
            if number % BATCH == 0:
                db.transaction_commit()
                db.transaction_start()
            put(json.loads(line))
    except BaseException:
        db.transaction_cancel()
        raise
    db.transaction_commit()


main()

package results

// LockThreshold is how many wrong passwords lock an account, in the cloud's
// smart lockout. Source: Microsoft, "Protect user accounts from attacks with
// Microsoft Entra smart lockout".
const LockThreshold = 10

// Sends the one form of the page: the answer to a client. Without scripts its
// button does.
document.forms[0].submit();

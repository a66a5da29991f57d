{# The remaining callbacks of an object that begins with "message", and the end of the object. #}"join": function (message) {
    if (instantDebug === true) { console.log("JOIN: " + JSON.stringify(message)); }
},
"leave": function (message) {
    if (instantDebug === true) { console.log("LEAVE: " + JSON.stringify(message)); }
},
"subscribe": function (context) {
    if (instantDebug === true) { console.log("SUBSCRIBED: " + context.channel); }
},
"unsubscribe": function (context) {
    if (instantDebug === true) { console.log("UNSUBSCRIBED: " + context.channel + ", " + context.reason); }
},
"error": function (context) {
    if (instantDebug === true) { console.log("ERROR: " + JSON.stringify(context.error || context)); }
}
};

// SPDX-License-Identifier: MIT
// A script that a script loads.
"use strict";

console.log("encore", [1, 2, 3]);
stage.bill("A script loaded by a script", "encore.js");

// The script of every page. Without it all works, with a reload here and there.

import { follow } from "./progress.js";
import { explore } from "./plots.js";
import { arrange } from "./order.js";
import { receive } from "./upload.js";
import { onRefresh } from "./regions.js";

document.documentElement.classList.add("scripted");

const start = (root) => {
    follow(root);
    explore(root);
};

onRefresh(start);
start(document);
receive(document);
arrange(document);

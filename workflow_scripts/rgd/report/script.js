"use strict";

(() => {
  // Texts of models and users reach the page as text alone: nothing here writes HTML.
  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
    }
    made.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
    return made;
  };
  const byId = (id) => document.getElementById(id);
  const letter = (place) => String.fromCharCode(65 + place);
  const figure = (value, digits = 3) => (value === null || value === undefined ? "–" : Number(value.toPrecision(digits)).toString().replace("-", "−"));

  const themes = ["system", "light", "dark"];
  byId("theme").addEventListener("click", (event) => {
    const root = document.documentElement;
    const next = themes[(themes.indexOf(root.dataset.theme || "system") + 1) % themes.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    event.currentTarget.textContent = `Theme: ${next}`;
  });

  const data = JSON.parse(byId("data").textContent).datasets;
  const controls = byId("controls");
  if (!controls) return;

  const state = { dataset: Object.keys(data)[0], pool: "", scenario: "", router: "", variant: "", only: "all", search: "", question: 0 };
  const choices = ["dataset", "pool", "scenario", "router", "variant", "only"];
  const words = { dataset: "Dataset", pool: "Pool", scenario: "Training queries", router: "Router", variant: "Members asked", only: "Show" };

  const dataset = () => data[state.dataset];
  const cell = () => dataset().cells.find((each) => each.pool === state.pool && each.scenario === state.scenario && each.router === state.router);
  const unique = (values) => [...new Set(values)];

  function offered(choice) {
    const cells = dataset().cells;
    if (choice === "dataset") return Object.entries(data).map(([key, value]) => [key, value.title]);
    if (choice === "pool") return unique(cells.map((each) => each.pool)).map((key) => [key, dataset().pools[key].title]);
    const inPool = cells.filter((each) => each.pool === state.pool);
    if (choice === "scenario") {
      return unique(inPool.map((each) => each.scenario)).map((key) => [key, key === "real" ? "Real data" : `By ${dataset().scenarios[key].title}`]);
    }
    const there = inPool.filter((each) => each.scenario === state.scenario);
    if (choice === "router") return there.map((each) => [each.router, each.router]);
    if (choice === "variant") return cell().variants.map((key, place) => [String(place), key]);
    const all = [["all", "all queries"]];
    return isLabelled() ? [...all, ["right", "answered right"], ["wrong", "answered wrong"]] : all;
  }

  // A choice that another one rules out gives way to the first that is left.
  function settle() {
    for (const choice of choices) {
      const keys = offered(choice).map(([key]) => key);
      if (!keys.includes(state[choice])) state[choice] = keys[0];
    }
  }

  function drawControls() {
    settle();
    const fields = choices.map((choice) => {
      const options = offered(choice);
      if (options.length < 2) return null;
      const select = element("select", { name: choice });
      for (const [key, title] of options) select.append(new Option(title, key, false, key === state[choice]));
      select.addEventListener("change", () => {
        state[choice] = select.value;
        if (choice === "dataset") state.question = 0;
        draw();
        controls.querySelector(`[name=${choice}]`)?.focus();
      });
      return element("label", {}, words[choice], select);
    });
    const search = element("input", { type: "search", name: "search", placeholder: "words of the question", value: state.search });
    search.addEventListener("input", () => {
      state.search = search.value;
      drawList();
    });
    controls.replaceChildren(...fields.filter((field) => field), element("label", {}, "Search", search));
  }

  const isLabelled = () => dataset().pools[state.pool].labels.some((each) => each !== null);
  const label = (number) => dataset().pools[state.pool].labels[number];
  const answer = (number) => cell().answers[number][Number(state.variant)];
  const isRight = (number) => answer(number) !== null && answer(number) === label(number);
  const sign = (right) => !isLabelled() ? null : element("span", { class: right ? "right" : "wrong", title: right ? "answered right" : "answered wrong" }, right ? "✓" : "✗");

  function drawList() {
    const wanted = state.search.trim().toLowerCase();
    const shown = dataset().questions.map((question, number) => [question, number]).filter(([question, number]) => {
      if (state.only !== "all" && isRight(number) !== (state.only === "right")) return false;
      return !wanted || `${question.text} ${question.task} ${question.id}`.toLowerCase().includes(wanted);
    });
    const items = shown.map(([question, number]) => {
      const button = element(
        "button",
        { type: "button", "aria-current": number === state.question ? "true" : null },
        sign(isRight(number)),
        element("span", { class: "text" }, question.text),
        element("span", { class: "task" }, question.task),
      );
      button.addEventListener("click", () => {
        state.question = number;
        byId("questions").querySelector("[aria-current]")?.removeAttribute("aria-current");
        button.setAttribute("aria-current", "true");
        drawSteps();
      });
      return element("li", {}, button);
    });
    byId("questions").replaceChildren(...(items.length ? items : [element("li", { class: "nothing" }, "No query is like that.")]));
  }

  const optionText = (question, key) => {
    if (key === null || key === undefined) return "no answer that can be read";
    const place = key.length === 1 ? key.charCodeAt(0) - 65 : -1;
    return question.options[place] !== undefined ? `${key}. ${question.options[place]}` : key;
  };

  function step(number, title, ...content) {
    return element("div", { class: "step" }, element("span", { class: "badge", "aria-hidden": "true" }, String(number)), element("div", {}, element("h3", {}, title), ...content));
  }

  function questionStep(question, number) {
    const options = question.options.map((text, place) => {
      const right = letter(place) === label(number);
      return element("li", {}, element("span", { class: "key" }, letter(place)), element("span", {}, text, right ? element("span", { class: "right" }, dataset().generated ? "  ✓ says the generator" : "  ✓ right") : null));
    });
    const open = question.options.length || !isLabelled() ? null : element("p", { class: "plain" }, `Right answer: ${label(number)}`);
    return step(1, "The question", element("p", {}, question.text), element("ul", { class: "options" }, options), open);
  }

  function placeStep(question, number) {
    const scenario = dataset().scenarios[state.scenario];
    const made = cell();
    const near = scenario.near[number].map(([row, similarity]) => {
      const [task, text] = scenario.training[String(row)];
      return element("tr", {}, element("td", { class: "number" }, similarity.toFixed(2)), element("td", {}, task), element("td", { class: "words" }, text));
    });
    const head = element("tr", {}, ...["Similarity", "Task", "Training query"].map((name) => element("th", { scope: "col", class: name === "Similarity" ? "number" : null }, name)));
    const said = [];
    const routed = made.tasks ? made.tasks[number] : null;
    if (routed !== null) {
      const same = routed === question.task ? "which is its own" : `its own is ${question.task}`;
      said.push(`It is taken for the task ${routed}, ${same}.`);
      const described = dataset().descriptions[routed];
      if (described && state.scenario !== "real") said.push(`The generator was told: “${described}”`);
    }
    if (made.clusters && !made.clusters[number]) {
      said.push("It is near no cluster of training queries, and is routed by what holds of all of them.");
    } else if (made.clusters) {
      const [cluster, size, similarity] = made.clusters[number];
      said.push(`Nearest centroid: cluster ${cluster + 1} of ${made.n_clusters}, made of ${size} training queries, similarity ${similarity.toFixed(2)}.`);
    } else if (!made.score) said.push("This router ranks every query alike.");
    if (made.standing) said.push(made.standing);
    return step(
      2,
      "Its place among the training queries",
      said.map((words) => element("p", { class: "plain" }, words)),
      element("div", { class: "scroll" }, element("table", { class: "said" }, element("thead", {}, head), element("tbody", {}, near))),
    );
  }

  function rankingStep(number) {
    const made = cell();
    const members = dataset().pools[state.pool].members;
    const asked = made.asked[number][Number(state.variant)];
    const scores = made.scores ? made.scores[number] : null;
    const known = scores ? scores.filter((score) => score !== null) : [];
    const low = Math.min(0, ...known);
    const span = Math.max(...known, 0) - low || 1;
    const rows = made.ranking[number].map((member, place) => {
      const score = scores ? scores[member] : null;
      const bar = element("span", { class: asked.includes(member) ? "bar" : "bar other" });
      bar.style.width = score === null ? "0" : `${(100 * (score - low)) / span}%`;
      const name = `${place + 1}. ${members[member]}`;
      return [element("span", { class: asked.includes(member) ? "name asked" : "name" }, name), bar, element("span", { class: "value" }, figure(score))];
    });
    const tied = known.length > 1 && known.filter((score) => Math.abs(score - Math.max(...known)) < 1e-9).length;
    const told = made.score ? `By the ${made.score}; who is asked is bold.` : "This method ranks without scores; who is asked is bold.";
    const tie = tied > 1 ? ` ${tied} members come first alike.` : "";
    return step(3, "The ranking of the pool", element("p", { class: "plain" }, told + tie), element("div", { class: "bars" }, rows));
  }

  function votesStep(question, number) {
    const made = cell();
    const pool = dataset().pools[state.pool];
    const rows = made.asked[number][Number(state.variant)].map((member) => {
      const given = pool.answers[number][member];
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, pool.members[member]),
        element("td", {}, optionText(question, given)),
        element("td", { class: "number" }, figure(made.z[number][member], 2)),
        element("td", { class: "words" }, pool.texts[number][member]),
      );
    });
    const head = element("tr", {}, ...["Member", "Answer", "Confidence (z)", "What it wrote"].map((name) => element("th", { scope: "col", class: name.endsWith("(z)") ? "number" : null }, name)));
    const how = rows.length === 1 ? "One member answers." : made.aggregate === "consensus" ? "Each answer counts by the confidence behind it." : "Most votes win; the summed confidence breaks ties.";
    return step(4, "The votes", element("p", { class: "plain" }, how), element("div", { class: "scroll" }, element("table", { class: "said" }, element("thead", {}, head), element("tbody", {}, rows))));
  }

  function answerStep(question, number) {
    const right = isRight(number);
    const given = element("p", { class: "answer" }, sign(right), ` ${optionText(question, answer(number))}`);
    const all = dataset().pools[state.pool].answers[number];
    const same = isLabelled() ? label(number) : answer(number);
    const others = all.filter((each) => each !== null && each === same).length;
    const said = !isLabelled() ? "this" : dataset().generated ? "as the generator does" : "this right";
    const context = `${others} of ${all.length} members of the pool answer ${said}.`;
    const key = dataset().key;
    const name = `${key}/${state.scenario}/${state.pool}`;
    const kinds = ["routes", "routers"].map((kind) => `${kind}/${name}/${state.router}.parquet`);
    const files = [...kinds, `consensus/${name}.parquet`, `neighbours/${key}/${state.scenario}.parquet`, `questions/${key}/${dataset().query_set}.parquet`];
    const listed = files.filter((file) => dataset().files[file]).map((file) => [element("code", {}, file), ` ${dataset().files[file]}`, element("br")]);
    const provenance = element("details", {}, element("summary", {}, "Provenance: the files behind this, and how their SHA-256 begin"), element("div", { class: "files" }, `query ${question.id}`, element("br"), listed));
    return step(5, "The answer", given, element("p", { class: "plain" }, context), provenance);
  }

  function drawSteps() {
    const number = state.question;
    const question = dataset().questions[number];
    byId("steps").replaceChildren(questionStep(question, number), placeStep(question, number), rankingStep(number), votesStep(question, number), answerStep(question, number));
  }

  function draw() {
    drawControls();
    drawList();
    drawSteps();
  }
  draw();
})();

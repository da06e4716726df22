// The login page.

const form = document.getElementById("login");
const problem = document.getElementById("problem");
const button = form.querySelector("button");

async function logIn() {
  const { name, password } = Object.fromEntries(new FormData(form));
  let answer;
  try {
    answer = await fetch("/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name, password }),
    });
  } catch {
    return "The server does not answer";
  }
  if (answer.ok) {
    location.replace("/");
    return "";
  }
  const json = await answer.json().catch(() => null);
  const text = json === null ? `The server answered ${answer.status}` : `${json.error}: ${json.advice}`;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  problem.textContent = await logIn();
  button.disabled = false;
});

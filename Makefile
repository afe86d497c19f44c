.PHONY: demo test bench

demo: ## a backend with two users, on http://127.0.0.1:8000 (PORT= changes it)
	@scripts/setup
	@exec .venv/bin/python scripts/demo.py

test: ## lint, types and the whole suite
	@scripts/test $(OPTIONS)

bench: ## figures beside the peers' (ROUNDS=1 within five minutes)
	@scripts/bench

export PORT

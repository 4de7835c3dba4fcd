"""FastAPI with ONNX Runtime, written by hand for speed: the raw body through orjson, no pydantic, no access log."""

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from forest import NAME, Forest, answer_of, arguments, rows_of

model, port, _ = arguments()
forest = Forest(model)
app = FastAPI()


@app.post(f"/v2/models/{NAME}/infer")
async def infer(request: Request) -> Response:
    body = orjson.loads(await request.body())
    answer = answer_of(body, forest.scores(rows_of(body)))
    return Response(orjson.dumps(answer), media_type="application/json")


uvicorn.run(
    app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", log_level="warning", access_log=False
)

"""Works off a batch of SQS messages, and hands back only those that failed.

With `ReportBatchItemFailures` in the event source mapping, SQS shows the messages named here again and
deletes the others. Without it one bad message would bring back the whole batch.
"""

import json


def work(order):
    if order["quantity"] < 1:
        raise ValueError(f"quantity is {order['quantity']}, and must be 1 or more")
    print(f"order {order['id']}: {order['quantity']} pieces")


def lambda_handler(event, context):
    failed = []
    for record in event["Records"]:
        try:
            work(json.loads(record["body"]))
        except Exception as error:  # Whatever is wrong with one message is no other's business.
            print(f"message {record['messageId']}: {type(error).__name__}: {error}")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}

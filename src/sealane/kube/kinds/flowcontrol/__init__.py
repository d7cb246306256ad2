"""PriorityLevelConfiguration and FlowSchema. Stored and served; nothing here queues requests by them."""

"""The window: panels over a frozen request, drawn with Dear ImGui. Sees the renderer's types and thread, no torch."""

// Without it htmx adds a style sheet to the page, which the Content-Security-Policy refuses.
htmx.config.includeIndicatorStyles = false;

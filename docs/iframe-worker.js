// A page that is opened as a file may start no worker, which the search needs. Here the worker's script runs in a
// hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inside = frame.contentWindow;
      // What the script sends goes to this page, which is the worker's owner.
      this.inside.postMessage = (data) => this.tell(this, data);
      const script = frame.contentDocument.createElement("script");
      script.src = address;
      script.onload = () => {
        const waiting = this.waiting;
        this.waiting = null;
        waiting.forEach((data) => this.tell(this.inside, data));
      };
      frame.contentDocument.body.append(script);
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.tell(this.inside, data);
    }

    tell(where, data) {
      const event = new MessageEvent("message", { data });
      setTimeout(() => {
        where.dispatchEvent(event);
        if (where === this && this.onmessage) this.onmessage(event);
      });
    }

    terminate() {
      this.inside.frameElement.remove();
    }
  };
}
